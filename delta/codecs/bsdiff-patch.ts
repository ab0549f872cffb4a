import seekBzip from 'seek-bzip';

import { DeltaError } from '../errors.ts';
import type { Match } from './codec.ts';

const MAGIC = Buffer.from('BSDIFF40');
const HEADER_BYTES = 32;
/** Bytes to add, bytes to insert, how far to seek in the old file: 8 bytes each. */
const TRIPLE_BYTES = 24;

/**
 * The alignment in a `BSDIFF40` patch (bsdiff 4.3: header, then control, differences and extra bytes,
 * each a bzip2 stream). Differences and extra bytes follow from old and new, so only the control
 * block is opened. Throws `bad_format` when it breaks the format or leaves either file.
 */
export function parseBsdiff(patch: Buffer, oldSize: number, newSize: number): readonly Match[] {
  if (patch.length < HEADER_BYTES || !patch.subarray(0, 8).equals(MAGIC)) {
    throw broken('no BSDIFF40 header');
  }
  const controlBytes = readOffset(patch, 8);
  if (controlBytes < 0 || controlBytes > patch.length - HEADER_BYTES) {
    throw broken('its control block is cut off');
  }
  if (readOffset(patch, 24) !== newSize) throw broken('it is for a new file of another size');
  const matches: Match[] = [];
  let newOffset = 0;
  let oldOffset = 0;
  for (const [add, insert, seek] of readTriples(patch, controlBytes)) {
    if (add < 0 || insert < 0 || newOffset + add + insert > newSize) {
      throw broken('an instruction leaves the new file');
    }
    if (add > 0) {
      if (oldOffset < 0 || oldOffset + add > oldSize) {
        throw broken('an instruction leaves the old file');
      }
      matches.push({ newOffset, oldOffset, length: add });
    }
    newOffset += add + insert;
    oldOffset += add + seek;
  }
  if (newOffset !== newSize) throw broken('it ends before the new file does');
  return matches;
}

function* readTriples(patch: Buffer, controlBytes: number): Generator<[number, number, number]> {
  let control: Buffer;
  try {
    const block = patch.subarray(HEADER_BYTES, HEADER_BYTES + controlBytes);
    control = seekBzip.decode(block);
  } catch (cause) {
    throw new DeltaError('bad_format', `a bsdiff patch does not decompress: ${String(cause)}`, {
      cause,
    });
  }
  if (control.length % TRIPLE_BYTES !== 0) throw broken('its control block has an odd length');
  for (let at = 0; at < control.length; at += TRIPLE_BYTES) {
    yield [readOffset(control, at), readOffset(control, at + 8), readOffset(control, at + 16)];
  }
}

/** Eight bytes, sign and magnitude, least significant first. */
function readOffset(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4);
  const value = (high & 0x7fffffff) * 2 ** 32 + bytes.readUInt32LE(at);
  if (!Number.isSafeInteger(value)) throw broken('a number is too large');
  return high >= 0x80000000 ? -value : value;
}

function broken(why: string): DeltaError {
  return new DeltaError('bad_format', `a bsdiff patch is broken: ${why}`);
}
