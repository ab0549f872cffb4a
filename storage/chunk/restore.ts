import type { BlobReader } from '../blob-store.ts';
import { DigestHasher, verifyBytes, type Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange, IoOptions } from '../object-store.ts';
import { decompressFrame } from '../zstd.ts';
import { PassingBuffers } from '../passing-buffers.ts';
import { ByteQueue } from './byte-queue.ts';
import type { ChunkIndex, IndexedChunk } from './chunk-index.ts';

/** A chunk whose frame lies in some pack, however that is named. */
export interface FramedChunk<Pack> {
  /** sha256 of the uncompressed chunk. */
  readonly digest: Digest;
  /** Bytes of the chunk. */
  readonly rawLength: number;
  readonly pack: Pack;
  /** First byte of the frame in the pack. */
  readonly offset: number;
  /** Bytes of the frame. */
  readonly length: number;
}

/** Chunks of one pack whose frames ascend, so that one range holds them all. */
export type Run<Chunk> = readonly [Chunk, ...Chunk[]];

/** A range of a pack and the chunks whose frames lie in it, ascending by offset. */
export interface ChunkFetch {
  readonly pack: Digest;
  readonly range: ByteRange;
  readonly chunks: readonly IndexedChunk[];
}

/** Of a pack whose frames are read one after the other. */
const PIECE_BYTES = 128 * 1024;

/**
 * Frames this near are fetched in one range: 16 KiB take a link of 10 Mbit/s 13 ms, less than the
 * round trip and the headers of another part cost (traps.md: "small ranges lose to latency").
 */
const JOIN_GAP_BYTES = 16 * 1024;

/**
 * What to fetch for a layer of which `have` tells the chunks at hand: each missing chunk once, near
 * frames of a pack in one range, packs in the order of the index, ranges ascending. A frame starts at
 * `chunk.offset - range.start` in the range; check each chunk with {@link openChunk}.
 */
export function planChunkFetch(
  index: ChunkIndex,
  have: (digest: Digest) => boolean,
): readonly ChunkFetch[] {
  const wanted = new Set<Digest>();
  const byPack = new Map<number, IndexedChunk[]>();
  for (const chunk of index.chunks) {
    if (wanted.has(chunk.digest) || have(chunk.digest)) continue;
    wanted.add(chunk.digest);
    const chunks = byPack.get(chunk.pack);
    if (chunks === undefined) byPack.set(chunk.pack, [chunk]);
    else chunks.push(chunk);
  }
  return [...byPack]
    .sort(([a], [b]) => a - b)
    .flatMap(([pack, chunks]) =>
      joinChunks(
        chunks.sort((a, b) => a.offset - b.offset),
        JOIN_GAP_BYTES,
      ).map((run) => ({ pack: packOf(index, pack), range: rangeOf(run), chunks: run })),
    );
}

/** The chunk inside a fetched frame, checked: `corrupt` or `digest_mismatch` for any other bytes. */
export async function openChunk(
  frame: Uint8Array,
  chunk: Pick<FramedChunk<unknown>, 'digest' | 'rawLength'>,
): Promise<Buffer> {
  const raw = await decompressFrame(frame, chunk.rawLength);
  verifyBytes(raw, { digest: chunk.digest }, 'chunk');
  return raw;
}

/**
 * The chunks of a run without gaps, read in one range of the pack; each is checked before it is
 * yielded, and read once more when it is not what its digest says. Throws `missing` for a lost pack, `range_unsatisfiable` for a place outside it, `corrupt` or
 * `digest_mismatch` for damaged bytes.
 */
export async function* readRun(
  blobs: BlobReader,
  pack: Digest,
  run: Run<FramedChunk<unknown>>,
  options: IoOptions = {},
): AsyncIterable<Buffer> {
  const source = await blobs.open(pack, { range: rangeOf(run), signal: options.signal });
  const queue = new ByteQueue(source, `pack ${pack}`);
  try {
    for (const chunk of run) {
      const frame = await queue.take(chunk.length);
      yield await openChunk(frame, chunk).catch(() => openAgain(blobs, pack, chunk, options));
    }
  } finally {
    source.destroy();
  }
}

/** A remote store may garble bytes on the way: a chunk counts as damaged when it is so twice. */
async function openAgain(
  blobs: BlobReader,
  pack: Digest,
  chunk: FramedChunk<unknown>,
  options: IoOptions,
): Promise<Buffer> {
  const source = await blobs.open(pack, { range: rangeOf([chunk]), signal: options.signal });
  const queue = new ByteQueue(source, `pack ${pack}`);
  try {
    return await openChunk(await queue.take(chunk.length), chunk);
  } finally {
    source.destroy();
  }
}

/** A chunk with its frame as it is stored, and opened. */
export interface ReadFrame {
  readonly chunk: IndexedChunk;
  readonly frame: Buffer;
  readonly raw: Buffer;
}

/** Every chunk of a layer in order, checked, with its frame; throws as {@link readRun} does. */
export async function* readFrames(
  blobs: BlobReader,
  index: ChunkIndex,
  options: IoOptions = {},
): AsyncIterable<ReadFrame> {
  const buffers = new PassingBuffers();
  for (const run of joinChunks(index.chunks, 0)) {
    const pack = packOf(index, run[0].pack);
    const source = await blobs.open(pack, {
      range: rangeOf(run),
      pieceBytes: PIECE_BYTES,
      signal: options.signal,
    });
    const queue = new ByteQueue(source, `pack ${pack}`);
    try {
      for (const chunk of run) {
        const frame = await queue.take(chunk.length);
        yield { chunk, frame, raw: await openChunk(frame, chunk) };
        // The frame as it was read, too.
        buffers.passed(2 * chunk.length + chunk.rawLength);
      }
    } finally {
      source.destroy();
    }
  }
}

/**
 * The layer's uncompressed bytes out of its packs, chunk by chunk, in bounded memory. Neighbouring
 * frames are read in one range; every chunk's digest is checked before it is yielded, and the
 * layer's diff_id at the end. Throws `missing` for a lost pack, `corrupt` or `digest_mismatch` for
 * damaged bytes.
 */
export async function* restoreLayer(
  blobs: BlobReader,
  index: ChunkIndex,
  options: IoOptions = {},
): AsyncIterable<Buffer> {
  const hasher = new DigestHasher();
  for (const run of joinChunks(index.chunks, 0)) {
    for await (const raw of readRun(blobs, packOf(index, run[0].pack), run, options)) {
      hasher.update(raw);
      yield raw;
    }
  }
  const diffId = hasher.digest();
  if (diffId !== index.diffId) {
    throw new StorageError(
      'digest_mismatch',
      `the chunks of layer ${index.diffId} make ${diffId}: its chunk index is wrong`,
      { detail: { expected: index.diffId, actual: diffId } },
    );
  }
}

function packOf(index: ChunkIndex, pack: number): Digest {
  const digest = index.packs[pack];
  if (digest === undefined) throw new StorageError('corrupt', `chunk index: no pack ${pack}`);
  return digest;
}

/** Splits chunks into runs of one pack whose frames do not overlap and lie at most `gap` apart. */
export function joinChunks<Chunk extends FramedChunk<unknown>>(
  chunks: readonly Chunk[],
  gap: number,
): readonly Run<Chunk>[] {
  const runs: [Chunk, ...Chunk[]][] = [];
  let previous: Chunk | undefined;
  for (const chunk of chunks) {
    const run = runs.at(-1);
    const distance = previous === undefined ? -1 : chunk.offset - previous.offset - previous.length;
    const near = distance >= 0 && distance <= gap;
    if (run !== undefined && run[0].pack === chunk.pack && near) run.push(chunk);
    else runs.push([chunk]);
    previous = chunk;
  }
  return runs;
}

/** The range of the pack that holds the run's frames. */
export function rangeOf(run: Run<FramedChunk<unknown>>): ByteRange {
  const last = run[run.length - 1] ?? run[0];
  return { start: run[0].offset, endExclusive: last.offset + last.length };
}
