import type { IoOptions } from '../../../storage/object-store.ts';
import type { RandomAccess } from '../../../storage/random-access.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { WindowReader } from '../../tree/window-reader.ts';
import { TRIPLE_BYTES } from './segment.ts';

/** Bytes handed out at once, at most. */
const PIECE_BYTES = 64 * 1024;

export interface BspatchInput extends IoOptions {
  /** The bsdiff stream (see `formatBsdiff`), all of it. */
  readonly stream: RandomAccess;
  readonly source: RandomAccess;
  /** Bytes to make. */
  readonly newBytes: number;
  /** For messages. */
  readonly what: string;
}

/**
 * Makes the new bytes, piece by piece; the pieces are valid until the next one is asked for. As in
 * libostree's bspatch, bytes before or after the old ones count as 0. Throws `bad_format`, naming
 * `what`, for a stream that is cut off, goes on after the last byte, or has numbers that are negative
 * where that makes no sense, lead out of the new bytes, or are past 2^53.
 */
export async function* bspatch(input: BspatchInput): AsyncGenerator<Buffer> {
  const { newBytes, what, signal } = input;
  const stream = new WindowReader(input.stream);
  const source = new WindowReader(input.source);
  const streamBytes = input.stream.size;
  const take = async (at: number, length: number): Promise<Buffer> => {
    const bytes = await stream.tryRead(at, length);
    if (bytes === undefined) throw broken(what, 'is cut off');
    return bytes;
  };
  let at = 0;
  let oldOffset = 0;
  for (let made = 0; made < newBytes;) {
    const triple = await take(at, TRIPLE_BYTES);
    const diffLength = readNumber(triple, 0, what);
    const extraLength = readNumber(triple, 8, what);
    const seek = readNumber(triple, 16, what);
    at += TRIPLE_BYTES;
    if (diffLength < 0 || extraLength < 0 || diffLength + extraLength > newBytes - made) {
      throw broken(what, `has a step of ${diffLength} and ${extraLength} bytes at ${made}`);
    }
    for (let left = diffLength; left > 0;) {
      checkAborted(signal, 'applying a delta');
      const piece = Buffer.from(await take(at, Math.min(left, PIECE_BYTES)));
      await addOld(piece, source, oldOffset);
      yield piece;
      at += piece.length;
      oldOffset += piece.length;
      left -= piece.length;
    }
    for (let left = extraLength; left > 0;) {
      checkAborted(signal, 'applying a delta');
      const piece = await take(at, Math.min(left, PIECE_BYTES));
      yield piece;
      at += piece.length;
      left -= piece.length;
    }
    made += diffLength + extraLength;
    oldOffset += seek;
    if (!Number.isSafeInteger(oldOffset)) throw broken(what, 'seeks past 2^53');
  }
  if (at !== streamBytes) throw broken(what, `has ${streamBytes - at} bytes after its end`);
}

/** Adds the old bytes from `oldOffset` to the piece, as far as there are any. */
async function addOld(piece: Buffer, source: WindowReader, oldOffset: number): Promise<void> {
  const start = Math.max(oldOffset, 0);
  const end = Math.min(oldOffset + piece.length, source.size);
  if (start >= end) return;
  const old = (await source.tryRead(start, end - start)) ?? Buffer.alloc(0);
  const shift = start - oldOffset;
  for (let i = 0; i < old.length; i += 1) {
    piece[shift + i] = (piece[shift + i] ?? 0) + (old[i] ?? 0);
  }
}

function readNumber(bytes: Buffer, at: number, what: string): number {
  const high = bytes.readUInt32LE(at + 4);
  const size = (high & 0x7fff_ffff) * 2 ** 32 + bytes.readUInt32LE(at);
  if (!Number.isSafeInteger(size)) throw broken(what, 'has a number past 2^53');
  return high >= 0x8000_0000 ? -size : size;
}

function broken(what: string, problem: string): DeltaError {
  return new DeltaError('bad_format', `the bsdiff stream of ${what} ${problem}`);
}
