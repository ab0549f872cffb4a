import { closeSync, constants, openSync, readSync } from 'node:fs';

import type { BlobReader } from '../blob-store.ts';
import type { OstreeChunkRow } from '../catalog/ostree-catalog.ts';
import { openChunkSync } from '../chunk/open-chunk-sync.ts';
import { joinChunks, openChunk, rangeOf, readRun, type Run } from '../chunk/restore.ts';
import type { Digest } from '../digest.ts';
import { fromErrno } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { checkRange, type RandomAccess } from '../random-access.ts';
import { ChunkCache } from './chunk-cache.ts';

/** What reading at any place needs of a store; without files it can't be done at once. */
type Blobs = BlobReader & { filePath?(digest: Digest): string | undefined };

/** Runs of a local pack up to here are read at once: the turns of other threads would take longer than the reading. */
const AT_ONCE_BYTES = 256 * 1024;

/**
 * An object's content at any place, through a small cache of chunks: a read costs the chunks that it
 * touches, neighbours in one range of their pack, and each is checked. `chunks` are all of the object's
 * (`OstreeCatalog.chunksOf`). Not for a thread that serves: short reads of local packs hold it up.
 *
 * `readSync` takes chunks that are not cached from the pack's file; where the store has no files it
 * throws `unavailable`. Other errors are those of `openContent`.
 */
export class ContentAccess implements RandomAccess {
  readonly size: number;
  readonly #blobs: Blobs;
  readonly #chunks: readonly OstreeChunkRow[];
  readonly #cache: ChunkCache;

  constructor(blobs: Blobs, chunks: readonly OstreeChunkRow[], cache = new ChunkCache()) {
    this.#blobs = blobs;
    this.#chunks = chunks;
    this.#cache = cache;
    this.size = sizeOf(chunks);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    checkRange(this.size, offset, length);
    const into = Buffer.allocUnsafe(length);
    const absent = this.#touched(offset, length).filter((chunk) => {
      const raw = this.#cache.get(chunk.digest);
      if (raw !== undefined) copyPart(chunk, raw, offset, into);
      return raw === undefined;
    });
    for (const run of joinChunks(absent, 0)) {
      const left = [...run];
      for await (const raw of this.#openRun(run)) {
        const chunk = left.shift();
        if (chunk === undefined) break;
        this.#cache.put(chunk.digest, raw);
        copyPart(chunk, raw, offset, into);
      }
    }
    return into;
  }

  readSync(offset: number, into: Uint8Array): void {
    checkRange(this.size, offset, into.length);
    for (const chunk of this.#touched(offset, into.length)) {
      let raw = this.#cache.get(chunk.digest);
      if (raw === undefined) {
        raw = openChunkSync(this.#framesOf([chunk]), chunk);
        this.#cache.put(chunk.digest, raw);
      }
      copyPart(chunk, raw, offset, into);
    }
  }

  #touched(offset: number, length: number): readonly OstreeChunkRow[] {
    if (length === 0) return [];
    let low = 0;
    let high = this.#chunks.length;
    // The first chunk that ends after `offset`.
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle];
      if (chunk !== undefined && chunk.start + chunk.rawLength <= offset) low = middle + 1;
      else high = middle;
    }
    const touched: OstreeChunkRow[] = [];
    for (let at = low; at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at];
      if (chunk === undefined || chunk.start >= offset + length) break;
      touched.push(chunk);
    }
    return touched;
  }

  /** The chunks of a run, each checked. */
  async *#openRun(run: Run<OstreeChunkRow>): AsyncGenerator<Buffer> {
    const { pack } = run[0];
    const { start, endExclusive } = rangeOf(run);
    const isFile = this.#blobs.filePath?.(pack) !== undefined;
    if (!isFile || endExclusive - start > AT_ONCE_BYTES) {
      yield* readRun(this.#blobs, pack, run);
      return;
    }
    const frames = this.#framesOf(run);
    for (const chunk of run) {
      const at = chunk.offset - start;
      yield openChunk(frames.subarray(at, at + chunk.length), chunk);
    }
  }

  /** The frames of a run, from the pack's file. */
  #framesOf(run: Run<OstreeChunkRow>): Buffer {
    const { pack } = run[0];
    const { start, endExclusive } = rangeOf(run);
    const path = this.#blobs.filePath?.(pack);
    if (path === undefined) {
      throw new StorageError(
        'unavailable',
        `pack ${pack} is no file here, so nothing of it can be had at once: read it first, or copy the content`,
        { retryable: false },
      );
    }
    try {
      const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        const frames = Buffer.allocUnsafe(endExclusive - start);
        for (let done = 0; done < frames.length;) {
          const count = readSync(file, frames, done, frames.length - done, start + done);
          if (count === 0) throw new StorageError('corrupt', `pack ${pack}: it is cut off`);
          done += count;
        }
        return frames;
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw fromErrno(error, `cannot read pack ${pack}`);
    }
  }
}

function sizeOf(chunks: readonly OstreeChunkRow[]): number {
  let size = 0;
  for (const chunk of chunks) {
    if (chunk.start !== size) {
      throw new StorageError('corrupt', `an object's chunks leave a gap at byte ${size}`);
    }
    size += chunk.rawLength;
  }
  return size;
}

/** Copies what the chunk has of the read that begins at `offset`. */
function copyPart(chunk: OstreeChunkRow, raw: Buffer, offset: number, into: Uint8Array): void {
  const from = Math.max(0, offset - chunk.start);
  const part = raw.subarray(from, Math.max(from, offset + into.length - chunk.start));
  into.set(part, chunk.start + from - offset);
}
