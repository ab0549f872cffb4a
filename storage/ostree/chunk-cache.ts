import type { Digest } from '../digest.ts';

/** What a cache holds unless told otherwise: some hundred chunks of average size. */
export const CHUNK_CACHE_BYTES = 8 * 1024 * 1024;

interface Place {
  readonly start: number;
  readonly endExclusive: number;
}

/**
 * Uncompressed chunks, the last that came, of at most so many bytes together. They lie in one ring of
 * memory that is written over again and again: chunks that are kept as they came grow old, and each few
 * megabytes of old ones that went have the garbage collector go through the whole heap.
 */
export class ChunkCache {
  readonly #ring: Buffer;
  /** In the order in which they came: so they stand in the ring, from the next place on and around. */
  readonly #places = new Map<Digest, Place>();
  #next = 0;

  constructor(maxBytes: number = CHUNK_CACHE_BYTES) {
    // Its pages take memory once they are written.
    this.#ring = Buffer.allocUnsafeSlow(maxBytes);
  }

  /** The chunk's bytes, right until the next {@link put}. */
  get(digest: Digest): Buffer | undefined {
    const place = this.#places.get(digest);
    return place && this.#ring.subarray(place.start, place.endExclusive);
  }

  /** Keeps a copy, in the place of the oldest. */
  put(digest: Digest, raw: Uint8Array): void {
    const { length } = raw;
    if (length > this.#ring.length || this.#places.has(digest)) return;
    if (this.#next + length > this.#ring.length) {
      this.#dropWhile(({ start }) => start >= this.#next);
      this.#next = 0;
    }
    const place = { start: this.#next, endExclusive: this.#next + length };
    this.#dropWhile((old) => old.start < place.endExclusive && old.endExclusive > place.start);
    this.#ring.set(raw, place.start);
    this.#places.set(digest, place);
    this.#next = place.endExclusive;
  }

  /** Forgets the oldest ones of which `isInTheWay` says so, up to the first that may stay. */
  #dropWhile(isInTheWay: (place: Place) => boolean): void {
    for (const [digest, place] of this.#places) {
      if (!isInTheWay(place)) return;
      this.#places.delete(digest);
    }
  }
}
