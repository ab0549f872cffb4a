import type { CachedMaps } from '../catalog/cache-maps.ts';
import type { Digest } from '../digest.ts';
import { isStorageError } from '../errors.ts';
import { sparseBlockKey, sparsePrefix, type ObjectKey, type SparseOwner } from '../keys.ts';
import type { ObjectStore } from '../object-store.ts';
import { BlockMap } from './block-map.ts';
import { checkSize, SparseBlob } from './sparse-blob.ts';
import { BLOCK_BYTES, type BlockName, type BlockPlace, type SparseStore } from './sparse-store.ts';

/** Objects that are removed side by side. */
const REMOVALS = 16;

export interface BucketStoreOptions {
  readonly objects: ObjectStore;
  /** Maps of blocks, in the cache's catalog. */
  readonly maps: CachedMaps;
  readonly owner: SparseOwner;
  /** Put before the blocks of each blob. */
  readonly guard?: ((blocks: BlockPlace) => BlockPlace) | undefined;
}

/**
 * Blobs in an object store, an object for each block (`sparseBlockKey` in `keys.ts`), with their maps
 * ({@link BlockMap}) in the cache's catalog. The blocks of a whole blob stay as they are.
 */
export class BucketStore implements SparseStore {
  readonly #options: BucketStoreOptions;

  constructor(options: BucketStoreOptions) {
    this.#options = options;
  }

  async open(digest: Digest, size: number): Promise<SparseBlob> {
    checkSize(digest, size);
    const map = await this.readMap(digest, size);
    const blocks = new ObjectPlace(this.#options, digest);
    return new SparseBlob(this.#options.guard?.(blocks) ?? blocks, digest, size, map);
  }

  async readMap(digest: Digest, size: number): Promise<BlockMap | undefined> {
    const bytes = await this.#options.maps.get(digest);
    return bytes === undefined ? undefined : BlockMap.parse(bytes, size, BLOCK_BYTES);
  }
}

class ObjectPlace implements BlockPlace {
  readonly #options: BucketStoreOptions;
  readonly #digest: Digest;

  constructor(options: BucketStoreOptions, digest: Digest) {
    this.#options = options;
    this.#digest = digest;
  }

  /** An object that is there already is what a crash left, or was found damaged: it is replaced. */
  async write(name: BlockName, bytes: Uint8Array): Promise<void> {
    const { objects } = this.#options;
    const key = this.#keyOf(name);
    const { created } = await objects.put(key, [bytes]);
    if (created) return;
    await objects.delete(key);
    await objects.put(key, [bytes]);
  }

  async read(
    name: BlockName,
    start: number,
    target: Buffer,
    at: number,
    length: number,
  ): Promise<number> {
    let count = 0;
    try {
      const range = { start, endExclusive: start + length };
      for await (const part of await this.#options.objects.open(this.#keyOf(name), { range })) {
        count += (part as Buffer).copy(target, at + count, 0, length - count);
      }
    } catch (error) {
      // The object is gone, or was cut.
      const none = isStorageError(error, 'missing') || isStorageError(error, 'range_unsatisfiable');
      if (!none) throw error;
      return 0;
    }
    return count;
  }

  /** Objects are durable once they are there. */
  async saveMap(map: Buffer): Promise<void> {
    await this.#options.maps.put(this.#digest, map);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    const { objects, maps, owner } = this.#options;
    await maps.delete(this.#digest);
    const keys: ObjectKey[] = [];
    for await (const { key } of objects.list(sparsePrefix(owner, this.#digest))) keys.push(key);
    await deleteAll(objects, keys);
  }

  #keyOf({ block, sum }: BlockName): ObjectKey {
    return sparseBlockKey(this.#options.owner, this.#digest, block, sum);
  }
}

/** Removes objects, some side by side. Throws `unavailable`, `aborted`. */
export async function deleteAll(
  objects: ObjectStore,
  keys: readonly ObjectKey[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for (let first = 0; first < keys.length; first += REMOVALS) {
    const some = keys.slice(first, first + REMOVALS);
    await Promise.all(some.map((key) => objects.delete(key, options)));
  }
}
