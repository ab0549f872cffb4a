import type { Digest } from '../digest.ts';

/** What a cache holds unless told otherwise: some hundred chunks of average size. */
export const CHUNK_CACHE_BYTES = 8 * 1024 * 1024;

/** Uncompressed chunks, the last used ones, of at most so many bytes together. */
export class ChunkCache {
  readonly #maxBytes: number;
  /** In the order of their last use. */
  readonly #chunks = new Map<Digest, Buffer>();
  #bytes = 0;

  constructor(maxBytes: number = CHUNK_CACHE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get(digest: Digest): Buffer | undefined {
    const raw = this.#chunks.get(digest);
    if (raw === undefined) return undefined;
    this.#chunks.delete(digest);
    this.#chunks.set(digest, raw);
    return raw;
  }

  put(digest: Digest, raw: Buffer): void {
    if (raw.length > this.#maxBytes || this.get(digest) !== undefined) return;
    this.#chunks.set(digest, raw);
    this.#bytes += raw.length;
    for (const [oldest, bytes] of this.#chunks) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#chunks.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}
