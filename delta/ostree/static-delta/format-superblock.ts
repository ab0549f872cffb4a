import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import type { DictionaryEntry } from '../gvariant/dictionary.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { swap64 } from '../gvariant/swap.ts';
import { checksumBytes, checksumOf } from '../objects/checksum.ts';
import { COMMIT_TYPE } from '../objects/commit.ts';
import { inlinePartKey, commitmetaKey } from './delta-keys.ts';
import { STATIC_DELTA_LIMITS } from './limits.ts';
import { formatObjectList, kindByte } from './object-list.ts';
import {
  ENDIANNESS_KEY,
  LITTLE_ENDIAN,
  PART_VERSION,
  SUPERBLOCK_TYPE,
  type Superblock,
} from './superblock.ts';

/**
 * The bytes of a superblock, numbers in little-endian. Throws `bad_format` when the commit is not the
 * one that `to` names, `too_large` past what clients take.
 */
export function formatSuperblock(superblock: Superblock): Buffer {
  const { timestamp, from, to, commit, parts, fallbacks } = superblock;
  if (checksumOf(commit) !== to) {
    throw new DeltaError('bad_format', `a delta to ${to} got the commit ${checksumOf(commit)}`);
  }
  const bytes = encodeVariant(SUPERBLOCK_TYPE, [
    metadataOf(superblock),
    swap64(timestamp),
    from === undefined ? Buffer.alloc(0) : checksumBytes(from),
    checksumBytes(to),
    decodeVariant(COMMIT_TYPE, commit),
    Buffer.alloc(0),
    parts.map(({ checksum, size, contentBytes, objects }) => [
      PART_VERSION,
      checksumBytes(checksum),
      BigInt(size),
      BigInt(contentBytes),
      formatObjectList(objects),
    ]),
    fallbacks.map(({ kind, checksum, compressedBytes, contentBytes }) => [
      kindByte(kind),
      checksumBytes(checksum),
      BigInt(compressedBytes),
      BigInt(contentBytes),
    ]),
  ]);
  if (bytes.length > STATIC_DELTA_LIMITS.superblockBytes) {
    throw new DeltaError('too_large', `a superblock of ${bytes.length} bytes: clients refuse it`);
  }
  return bytes;
}

function metadataOf(superblock: Superblock): readonly DictionaryEntry[] {
  const { commitmeta, parts } = superblock;
  const metadata: DictionaryEntry[] = [[ENDIANNESS_KEY, { type: 'y', value: LITTLE_ENDIAN }]];
  if (commitmeta !== undefined) {
    metadata.push([commitmetaKey(superblock), { type: 'a{sv}', value: commitmeta }]);
  }
  parts.forEach(({ inline }, number) => {
    if (inline === undefined) return;
    const value = [inline[0], inline.subarray(1)];
    metadata.push([inlinePartKey(superblock, number), { type: '(yay)', value }]);
  });
  return metadata;
}
