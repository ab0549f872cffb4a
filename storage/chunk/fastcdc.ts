import { createHash } from 'node:crypto';

/**
 * Content-defined chunking: FastCDC with normalised chunking, level 2 (Xia et al., "FastCDC: a Fast
 * and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016; "The
 * Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS
 * 31(9), 2020). The sizes, the gear table and the masks are part of the store's format: other cut
 * points would share nothing with what is stored. See LAYOUT.md, "Chunks".
 */
export const MIN_CHUNK_BYTES = 16 * 1024;
export const AVERAGE_CHUNK_BYTES = 64 * 1024;
export const MAX_CHUNK_BYTES = 256 * 1024;

/** 18 and 14 of the hash's high bits, the ones that the most bytes have moved: 2^16 and two up and down. */
const MASK_SMALL = 0xffffc000 | 0;
const MASK_LARGE = 0xfffc0000 | 0;

/** Chunks are handed out as parts of buffers of this size. */
const ARENA_BYTES = 4 * MAX_CHUNK_BYTES;

/** Bytes of the first chunk of `bytes[start..end)`; all of it when no cut point comes first. */
export type Cut = (bytes: Uint8Array, start: number, end: number) => number;

/** Makes the cut function: `gear[i]` is the first four bytes, little endian, of sha256 of the byte `i`. */
export function createCut(): Cut {
  const gear = Int32Array.from({ length: 256 }, (_, i) =>
    createHash('sha256').update(Uint8Array.of(i)).digest().readInt32LE(0),
  );
  return (bytes, start, end) => {
    const most = Math.min(end, start + MAX_CHUNK_BYTES);
    const normal = Math.min(most, start + AVERAGE_CHUNK_BYTES);
    let hash = 0;
    let at = Math.min(most, start + MIN_CHUNK_BYTES);
    for (; at < normal; at++) {
      hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0;
      if ((hash & MASK_SMALL) === 0) return at + 1 - start;
    }
    for (; at < most; at++) {
      hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0;
      if ((hash & MASK_LARGE) === 0) return at + 1 - start;
    }
    return most - start;
  };
}

/**
 * Splits a stream into chunks of {@link MIN_CHUNK_BYTES} to {@link MAX_CHUNK_BYTES} (the last may be
 * smaller) whose concatenation is the stream. The cut points depend on the bytes alone, not on how
 * they arrive. A chunk stays valid after the next is asked for. Who cuts many streams hands in one `cut`
 * for all; `size`, the bytes to come where that is known, spares short streams a large buffer.
 */
export async function* chunkStream(
  source: AsyncIterable<Uint8Array>,
  options: { readonly cut?: Cut; readonly size?: number } = {},
): AsyncIterable<Buffer> {
  const { cut = createCut(), size = ARENA_BYTES } = options;
  // One byte more than will come: a full arena is replaced at once.
  let arena = Buffer.allocUnsafeSlow(Math.min(ARENA_BYTES, size + 1));
  let start = 0;
  let end = 0;
  for await (const part of source) {
    let taken = 0;
    while (taken < part.length) {
      const count = Math.min(part.length - taken, arena.length - end);
      arena.set(part.subarray(taken, taken + count), end);
      taken += count;
      end += count;
      // A cut point is known only once the most that a chunk may hold is there.
      while (end - start >= MAX_CHUNK_BYTES) {
        const length = cut(arena, start, end);
        yield arena.subarray(start, start + length);
        start += length;
      }
      if (end < arena.length) continue;
      // Chunks handed out still point into the old arena, so the rest moves to a new one.
      const next = Buffer.allocUnsafeSlow(ARENA_BYTES);
      end = arena.copy(next, 0, start, end);
      arena = next;
      start = 0;
    }
  }
  while (start < end) {
    const length = cut(arena, start, end);
    yield arena.subarray(start, start + length);
    start += length;
  }
}
