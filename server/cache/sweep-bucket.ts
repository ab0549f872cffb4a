import type { CachedMaps } from '../../storage/catalog/cache-maps.ts';
import type { CachedObject, CachedObjects } from '../../storage/catalog/cache-objects.ts';
import type { Digest } from '../../storage/digest.ts';
import { checkAborted } from '../../storage/durable.ts';
import { blobOfSparseKey, sparsePrefix, type ObjectKey } from '../../storage/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { deleteAll, type BucketStore } from '../../storage/sparse/bucket-store.ts';
import { pagesOf, type Swept } from './sweep.ts';

/** Keys that are looked at together. */
const PAGE = 500;

export interface BucketSweepOptions {
  readonly objects: ObjectStore;
  readonly store: Pick<BucketStore, 'readMap'>;
  readonly maps: Pick<CachedMaps, 'owner'>;
  readonly rows: Pick<CachedObjects, 'known' | 'page' | 'delete' | 'measure'>;
  /** True of blobs that are being read or filled: they are not touched. */
  readonly isOpen: (digest: Digest) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Makes bucket and catalog agree after a crash: drops rows of blobs without a map, measures blobs that
 * were not at rest, and removes blocks of blobs that no row names. Runs while the cache serves; a block
 * that goes although its blob was opened just then is fetched again. Returns what it removed.
 */
export async function sweepBucket(options: BucketSweepOptions): Promise<Swept> {
  let rows = 0;
  for await (const row of pagesOf(options.rows, options.signal)) {
    rows += await sweepRow(row, options);
  }
  return { rows, files: await sweepBlocks(options) };
}

/** The rows that went: 0 or 1. */
async function sweepRow(
  { digest, size, complete }: CachedObject,
  { store, rows, isOpen }: BucketSweepOptions,
): Promise<number> {
  const map = await store.readMap(digest, size);
  if (isOpen(digest)) return 0;
  if (map === undefined) {
    await rows.delete(digest);
    return 1;
  }
  if (!complete) await rows.measure(digest, map.presentBytes);
  return 0;
}

async function sweepBlocks(options: BucketSweepOptions): Promise<number> {
  const { objects, maps, signal } = options;
  let removed = 0;
  let keys: ObjectKey[] = [];
  for await (const { key } of objects.list(sparsePrefix(await maps.owner()), { signal })) {
    keys.push(key);
    if (keys.length < PAGE) continue;
    removed += await sweepKeys(keys, options);
    keys = [];
  }
  return removed + (await sweepKeys(keys, options));
}

async function sweepKeys(
  keys: readonly ObjectKey[],
  { objects, rows, isOpen, signal }: BucketSweepOptions,
): Promise<number> {
  checkAborted(signal, 'sweeping the cache');
  const blobs = keys.map(blobOfSparseKey).filter((digest) => digest !== undefined);
  const known = await rows.known([...new Set(blobs)]);
  const orphans = keys.filter((key) => {
    const digest = blobOfSparseKey(key);
    return digest !== undefined && !known.has(digest) && !isOpen(digest);
  });
  await deleteAll(objects, orphans, { signal });
  return orphans.length;
}
