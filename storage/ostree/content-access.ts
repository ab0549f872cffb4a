import { closeSync, openSync, readSync } from 'node:fs';

import type { BlobReader } from '../blob-store.ts';
import type { OstreeChunkRow } from '../catalog/ostree-catalog.ts';
import { openChunkSync } from '../chunk/open-chunk-sync.ts';
import { joinChunks, readRun } from '../chunk/restore.ts';
import type { Digest } from '../digest.ts';
import { fromErrno } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { checkRange, type RandomAccess } from '../random-access.ts';
import { ChunkCache } from './chunk-cache.ts';

/** What reading at any place needs of a store; without files it can't be done at once. */
type Blobs = BlobReader & { filePath?(digest: Digest): string | undefined };

/**
 * An object's content at any place, through a small cache of chunks: a read costs the chunks that it
 * touches, neighbours in one range of their pack, and each is checked. `chunks` are all of the object's
 * (`OstreeCatalog.chunksOf`).
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
      for await (const raw of readRun(this.#blobs, run[0].pack, run)) {
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
        raw = openChunkSync(this.#frameSync(chunk), chunk);
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

  #frameSync({ pack, offset, length }: OstreeChunkRow): Buffer {
    const path = this.#blobs.filePath?.(pack);
    if (path === undefined) {
      throw new StorageError(
        'unavailable',
        `pack ${pack} is no file here, so nothing of it can be had at once: read it first, or copy the content`,
        { retryable: false },
      );
    }
    try {
      const file = openSync(path, 'r');
      try {
        const frame = Buffer.allocUnsafe(length);
        for (let done = 0; done < length;) {
          const count = readSync(file, frame, done, length - done, offset + done);
          if (count === 0) throw new StorageError('corrupt', `pack ${pack}: it is cut off`);
          done += count;
        }
        return frame;
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
