import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import { dictionaryEntries, type DictionaryEntry } from '../gvariant/dictionary.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import type { VariantValue } from '../gvariant/value.ts';

/** `OSTREE_STATIC_DELTA_SIGNED_FORMAT`: magic, superblock, signatures. */
const TYPE = '(taya{sv})';
/** The first eight bytes; the number is written in big-endian. */
const MAGIC = Buffer.from('OSTSGNDT', 'latin1');

type Decoded = readonly [magic: bigint, superblock: Buffer, signatures: VariantValue];

/** A static delta as a file. */
export interface DeltaFileContent {
  /** The bytes of the superblock: what signatures are of. */
  readonly superblock: Buffer;
  /** By kind, as in a commitmeta; none when it is not signed. */
  readonly signatures: readonly DictionaryEntry[];
}

/**
 * A signed static delta: the form of files only, since no client takes it where it pulls from
 * (ostree.md, trap 4).
 */
export function formatSignedDelta({ superblock, signatures }: DeltaFileContent): Buffer {
  return encodeVariant(TYPE, [MAGIC.readBigUInt64LE(), superblock, signatures]);
}

/** Reads a static delta from a file, signed or not; the superblock is not looked at. */
export function parseDeltaFile(bytes: Uint8Array): DeltaFileContent {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!all.subarray(0, MAGIC.length).equals(MAGIC)) return { superblock: all, signatures: [] };
  const [, superblock, entries] = decodeVariant(TYPE, all) as Decoded;
  const signatures = dictionaryEntries(entries, 'a signed delta');
  if (signatures.length === 0) {
    throw new DeltaError(
      'bad_format',
      'a signed delta has no signatures: use the superblock alone',
    );
  }
  return { superblock, signatures };
}
