import { join } from 'node:path';

import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import { makeDirectory } from '../../storage/durable.ts';
import { BucketStore } from '../../storage/sparse/bucket-store.ts';
import { FolderStore } from '../../storage/sparse/folder-store.ts';
import type { SparseStore } from '../../storage/sparse/sparse-store.ts';
import type { CacheConfig } from '../config.ts';
import { sweepBucket } from './sweep-bucket.ts';
import { sweepBlobFolder, type Swept } from './sweep.ts';

/** Where a cache keeps blobs, and what makes that agree with the catalog after a crash. */
export interface BlobPlace {
  readonly store: SparseStore;
  /** Rejects unless a bucket can be used now. */
  readonly check: (signal: AbortSignal) => Promise<void>;
  /** `isOpen`: true of blobs that are being read or filled. */
  readonly sweep: (isOpen: (digest: Digest) => boolean, signal: AbortSignal) => Promise<Swept>;
}

/** Opens the folder or the bucket. Throws `unavailable` for a bucket that can't be used, `no_space`. */
export async function openBlobStore(
  { data, store: place }: Pick<CacheConfig, 'data' | 'store'>,
  { maps, objects: rows }: Pick<CacheCatalog, 'maps' | 'objects'>,
): Promise<BlobPlace> {
  if (place.kind === 'fs') {
    const folder = join(data, 'blobs');
    await makeDirectory(folder);
    return {
      store: new FolderStore(folder),
      check: () => Promise.resolve(),
      sweep: (isOpen, signal) =>
        sweepBlobFolder({ folder, objects: rows, isOpen, startedMs: Date.now(), signal }),
    };
  }
  const { openS3Store } = await import('../../storage/drivers/s3.ts');
  const objects = await openS3Store(place);
  const store = new BucketStore({ objects, maps, owner: await maps.owner() });
  return {
    store,
    check: async (signal) => objects.check?.({ signal }),
    sweep: (isOpen, signal) => sweepBucket({ objects, store, maps, rows, isOpen, signal }),
  };
}
