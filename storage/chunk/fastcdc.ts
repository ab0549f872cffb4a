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

/** Bytes of a chunk; `average` is a power of two. */
export interface ChunkSizes {
  readonly min: number;
  readonly average: number;
  readonly max: number;
}

const SIZES: ChunkSizes = {
  min: MIN_CHUNK_BYTES,
  average: AVERAGE_CHUNK_BYTES,
  max: MAX_CHUNK_BYTES,
};

/** Chunks are handed out as parts of buffers of this size. */
export const ARENA_BYTES = 4 * MAX_CHUNK_BYTES;

/** Bytes of the first chunk of `bytes[start..end)`; all of it when no cut point comes first. */
export type Cut = (bytes: Uint8Array, start: number, end: number) => number;

/**
 * Where chunks have to end, whatever is in them: offsets in the stream, ascending. What lies within bytes
 * that were handed on must be known.
 */
export interface Boundaries {
  /** The first boundary after that offset, of those that are known. */
  after(offset: number): number | undefined;
}

/**
 * Makes the cut function: `gear[i]` is the first four bytes, little endian, of sha256 of the byte `i`. Other
 * `sizes` than the store's are for measuring.
 */
export function createCut({ min, average, max }: ChunkSizes = SIZES): Cut {
  // Of the hash's high bits, the ones that the most bytes have moved: two more than log2(average), and two less.
  const bits = Math.log2(average);
  const maskSmall = -1 << (32 - bits - 2);
  const maskLarge = -1 << (32 - bits + 2);
  const gear = Int32Array.from({ length: 256 }, (_, i) =>
    createHash('sha256').update(Uint8Array.of(i)).digest().readInt32LE(0),
  );
  return (bytes, start, end) => {
    const most = Math.min(end, start + max);
    const normal = Math.min(most, start + average);
    let hash = 0;
    let at = Math.min(most, start + min);
    for (; at < normal; at++) {
      hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0;
      if ((hash & maskSmall) === 0) return at + 1 - start;
    }
    for (; at < most; at++) {
      hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0;
      if ((hash & maskLarge) === 0) return at + 1 - start;
    }
    return most - start;
  };
}

export interface ChunkStreamOptions {
  /** One for all, where many streams are cut. */
  readonly cut?: Cut | undefined;
  /** Bytes to come, where that is known: spares short streams a large buffer. */
  readonly size?: number | undefined;
  /**
   * Buffers of {@link ARENA_BYTES} that are used in turns, three or more: a chunk is then valid only until
   * all chunks of all but two of them were asked for after it.
   */
  readonly arenas?: number | undefined;
  /** Each run between two of them is cut as a stream of its own. */
  readonly boundaries?: Boundaries | undefined;
}

const NO_BOUNDARIES: Boundaries = { after: () => undefined };

/**
 * Splits a stream into chunks of {@link MIN_CHUNK_BYTES} to {@link MAX_CHUNK_BYTES} (the last before a
 * boundary or the end may be smaller) whose concatenation is the stream. The cut points depend on the
 * bytes and boundaries alone, not on how they arrive. A chunk stays valid after the next is asked for,
 * unless `arenas` says otherwise.
 */
export async function* chunkStream(
  source: AsyncIterable<Uint8Array>,
  options: ChunkStreamOptions = {},
): AsyncIterable<Buffer> {
  const { cut = createCut(), size = ARENA_BYTES, boundaries = NO_BOUNDARIES, arenas = 0 } = options;
  const used: Buffer[] = [];
  // One byte more than will come: a full arena is replaced at once.
  let arena: Buffer = Buffer.allocUnsafeSlow(Math.min(ARENA_BYTES, size + 1));
  let start = 0;
  let end = 0;
  /** Offset in the stream of the arena's first byte. */
  let base = 0;
  const runEnd = (): number => {
    const boundary = boundaries.after(base + start);
    return boundary === undefined ? Infinity : boundary - base;
  };
  for await (const part of source) {
    let taken = 0;
    while (taken < part.length) {
      const count = Math.min(part.length - taken, arena.length - end);
      arena.set(part.subarray(taken, taken + count), end);
      taken += count;
      end += count;
      // A cut point is known only once the most that a chunk may hold, or the run's end, is there.
      for (let last = runEnd(); last <= end || end - start >= MAX_CHUNK_BYTES; last = runEnd()) {
        const length = cut(arena, start, Math.min(end, last));
        yield arena.subarray(start, start + length);
        start += length;
      }
      if (end < arena.length) continue;
      // Chunks handed out still point into the old arena, so the rest moves to a new one.
      if (arenas > 0) used.push(arena);
      const reused = used.length >= arenas ? used.shift() : undefined;
      const next = reused?.length === ARENA_BYTES ? reused : Buffer.allocUnsafeSlow(ARENA_BYTES);
      end = arena.copy(next, 0, start, end);
      base += start;
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
