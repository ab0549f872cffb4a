import { DeltaError } from '../../errors.ts';
import type { DeltaName } from '../checksum-base64.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import { dictionaryEntries, lookUp, type DictionaryEntry } from '../gvariant/dictionary.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { swap32, swap64 } from '../gvariant/swap.ts';
import type { VariantValue } from '../gvariant/value.ts';
import { checksumFromBytes, checksumOf } from '../objects/checksum.ts';
import { COMMIT_TYPE } from '../objects/commit.ts';
import { commitmetaKey, inlinePartKey } from './delta-keys.ts';
import { STATIC_DELTA_LIMITS } from './limits.ts';
import { kindOf, OBJECT_ENTRY_BYTES, parseObjectList } from './object-list.ts';
import {
  BIG_ENDIAN,
  ENDIANNESS_KEY,
  LITTLE_ENDIAN,
  PART_VERSION,
  SUPERBLOCK_TYPE,
  type DeltaFallback,
  type DeltaPart,
  type Superblock,
} from './superblock.ts';

type PartTuple = readonly [number, Buffer, bigint, bigint, Buffer];
type FallbackTuple = readonly [number, Buffer, bigint, bigint];
type Decoded = readonly [
  metadata: VariantValue,
  timestamp: bigint,
  from: Buffer,
  to: Buffer,
  commit: VariantValue,
  deltas: Buffer,
  parts: readonly PartTuple[],
  fallbacks: readonly FallbackTuple[],
];

const WHAT = 'a superblock';

/**
 * Reads a superblock; numbers of either byte order are taken, as its metadata says. Throws
 * `bad_format` for what is not in normal form, for a commit that is not the one named, and for wrong
 * lengths and kinds; `unsupported_version` for parts of another version and for a delta that is made
 * of deltas; `too_large` past {@link STATIC_DELTA_LIMITS}. A signed superblock (`OSTSGNDT`) is refused:
 * it is the offline format only.
 */
export function parseSuperblock(bytes: Uint8Array): Superblock {
  if (bytes.length > STATIC_DELTA_LIMITS.superblockBytes) {
    throw new DeltaError('too_large', `${WHAT} of ${bytes.length} bytes`);
  }
  const decoded = decodeVariant(SUPERBLOCK_TYPE, bytes) as Decoded;
  const [metadataValue, timestamp, fromBytes, toBytes, commitValue, deltas, parts, fallbacks] =
    decoded;
  const metadata = dictionaryEntries(metadataValue, WHAT);
  const numbers = numbersOf(metadata);
  const from =
    fromBytes.length === 0 ? undefined : checksumFromBytes(fromBytes, `the base of ${WHAT}`);
  const to = checksumFromBytes(toBytes, `the target of ${WHAT}`);
  const commit = encodeVariant(COMMIT_TYPE, commitValue);
  if (checksumOf(commit) !== to) {
    throw new DeltaError('bad_format', `${WHAT} leads to ${to}, but holds ${checksumOf(commit)}`);
  }
  if (deltas.length > 0) {
    throw new DeltaError('unsupported_version', `${WHAT} is made of other deltas`);
  }
  checkCounts(parts, fallbacks);
  const name = { from, to };
  return {
    ...name,
    timestamp: swap64(timestamp),
    commit,
    commitmeta: commitmetaOf(metadata, name),
    parts: parts.map((part, number) => {
      const inline = inlinePart(metadata, inlinePartKey(name, number));
      return { ...parsePart(part, number, numbers), ...(inline !== undefined && { inline }) };
    }),
    fallbacks: fallbacks.map((fallback) => parseFallback(fallback, numbers)),
  };
}

/** How the numbers of parts and fallbacks are read. */
interface Numbers {
  u32(n: number): number;
  /** A count of bytes; `too_large` past what a file can have. */
  size(n: bigint, what: string): number;
}

function numbersOf(metadata: readonly DictionaryEntry[]): Numbers {
  const order = lookUp(metadata, ENDIANNESS_KEY, 'y', WHAT);
  if (order !== LITTLE_ENDIAN && order !== BIG_ENDIAN) {
    throw new DeltaError(
      'bad_format',
      `${WHAT} says ${typeof order === 'number' ? order : 'nothing'} for ${ENDIANNESS_KEY}, which is neither 'l' nor 'B'`,
    );
  }
  const isSwapped = order === BIG_ENDIAN;
  return {
    u32: (n) => (isSwapped ? swap32(n) : n),
    size: (n, what) => {
      const value = isSwapped ? swap64(n) : n;
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new DeltaError('too_large', `${what} has ${value.toString()} bytes`);
      }
      return Number(value);
    },
  };
}

function checkCounts(parts: readonly PartTuple[], fallbacks: readonly FallbackTuple[]): void {
  if (parts.length > STATIC_DELTA_LIMITS.parts) {
    throw new DeltaError('too_large', `${WHAT} has ${parts.length} parts`);
  }
  const listBytes = parts.reduce((total, [, , , , { length }]) => total + length, 0);
  const objects = Math.floor(listBytes / OBJECT_ENTRY_BYTES) + fallbacks.length;
  if (objects > STATIC_DELTA_LIMITS.objects) {
    throw new DeltaError('too_large', `${WHAT} lists ${objects} objects`);
  }
}

function parsePart(tuple: PartTuple, number: number, numbers: Numbers): DeltaPart {
  const [versionField, checksum, size, contentBytes, objects] = tuple;
  const what = `part ${number}`;
  const version = numbers.u32(versionField);
  if (version !== PART_VERSION) {
    throw new DeltaError('unsupported_version', `${what} is of version ${version}, not 0`);
  }
  return {
    checksum: checksumFromBytes(checksum, `the digest of ${what}`),
    size: numbers.size(size, what),
    contentBytes: numbers.size(contentBytes, `the content of ${what}`),
    objects: parseObjectList(objects, what),
  };
}

function parseFallback(tuple: FallbackTuple, numbers: Numbers): DeltaFallback {
  const [kind, bytes, compressedBytes, contentBytes] = tuple;
  const checksum = checksumFromBytes(bytes, 'a fallback');
  return {
    kind: kindOf(kind, `the fallback ${checksum}`),
    checksum,
    compressedBytes: numbers.size(compressedBytes, `the fallback ${checksum}`),
    contentBytes: numbers.size(contentBytes, `the fallback ${checksum}`),
  };
}

function commitmetaOf(
  metadata: readonly DictionaryEntry[],
  name: DeltaName,
): readonly DictionaryEntry[] | undefined {
  const found = lookUp(metadata, commitmetaKey(name), 'a{sv}', WHAT);
  return found === undefined ? undefined : dictionaryEntries(found, `the commitmeta of ${WHAT}`);
}

function inlinePart(metadata: readonly DictionaryEntry[], key: string): Buffer | undefined {
  const found = lookUp(metadata, key, '(yay)', WHAT);
  // Of that type, a value is the part file itself.
  return found === undefined ? undefined : encodeVariant('(yay)', found);
}
