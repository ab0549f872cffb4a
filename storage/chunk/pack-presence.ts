import type { BlobReader } from '../blob-store.ts';
import type { ChunkLocation, ChunkRow } from '../catalog/layer-catalog.ts';
import type { Digest } from '../digest.ts';

/**
 * Which packs are really there: the catalog may name one that was lost, and nothing new must rely on
 * it. Chunks of a missing pack are stored anew. Each pack is looked at once.
 */
export class PackPresence {
  readonly #blobs: Pick<BlobReader, 'stat'>;
  readonly #signal: AbortSignal | undefined;
  readonly #known = new Map<Digest, boolean>();

  constructor(blobs: Pick<BlobReader, 'stat'>, signal: AbortSignal | undefined) {
    this.#blobs = blobs;
    this.#signal = signal;
  }

  /** Those of the packs looked at that are missing. */
  get lost(): readonly Digest[] {
    return [...this.#known].flatMap(([pack, there]) => (there ? [] : [pack]));
  }

  /** Notes that the pack was stored just now. */
  stored(pack: Digest): void {
    this.#known.set(pack, true);
  }

  async has(pack: Digest): Promise<boolean> {
    const known = this.#known.get(pack);
    if (known !== undefined) return known;
    const there = (await this.#blobs.stat(pack, { signal: this.#signal })) !== undefined;
    this.#known.set(pack, there);
    return there;
  }

  /** Of each chunk the first of the places whose pack is there. */
  async usable(places: readonly ChunkRow[]): Promise<ReadonlyMap<Digest, ChunkLocation>> {
    const usable = new Map<Digest, ChunkLocation>();
    for (const { digest, ...location } of places) {
      if (usable.has(digest)) continue;
      if (await this.has(location.pack)) usable.set(digest, location);
    }
    return usable;
  }
}
