import { join } from 'node:path';

import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import { makeDirectory } from '../../storage/durable.ts';
import { BucketStore } from '../../storage/sparse/bucket-store.ts';
import { FolderStore } from '../../storage/sparse/folder-store.ts';
import type { BlockPlace, SparseStore } from '../../storage/sparse/sparse-store.ts';
import type { CacheConfig } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { GuardedPlace } from './guarded-place.ts';
import { StoreHealth, type StorePauses } from './store-health.ts';
import { sweepBucket } from './sweep-bucket.ts';
import { sweepBlobFolder, type Swept } from './sweep.ts';

/** A cache can do without its bucket: it waits for it less long than an origin. */
const PATIENCE = { idleMs: 8000, attempts: 3 } as const;

/** Where a cache keeps blobs, and what makes that agree with the catalog after a crash. */
export interface BlobPlace {
  readonly store: SparseStore;
  /** Throws `StoreAwayError` while nothing can be written to a bucket. */
  readonly assertWritable: () => void;
  /** Rejects unless a bucket can be used now. */
  readonly check: (signal: AbortSignal) => Promise<void>;
  /** `isOpen`: true of blobs that are being read or filled. */
  readonly sweep: (isOpen: (digest: Digest) => boolean, signal: AbortSignal) => Promise<Swept>;
  readonly close: () => Promise<void>;
}

export interface BlobStoreOptions {
  readonly config: Pick<CacheConfig, 'data' | 'store'>;
  readonly catalog: Pick<CacheCatalog, 'maps' | 'objects'>;
  readonly metrics: Pick<Metrics, 'cacheStoreUp'>;
  readonly logger: Logger;
  /** Between looks at a bucket that is away. */
  readonly pauses?: StorePauses | undefined;
}

/** Opens the folder or the bucket. Throws `unavailable` for a bucket that can't be used, `no_space`. */
export async function openBlobStore(options: BlobStoreOptions): Promise<BlobPlace> {
  const { config, catalog, metrics, logger, pauses } = options;
  const { maps, objects: rows } = catalog;
  const { data, store: place } = config;
  if (place.kind === 'fs') {
    const folder = join(data, 'blobs');
    await makeDirectory(folder);
    return {
      store: new FolderStore(folder),
      assertWritable: () => undefined,
      check: () => Promise.resolve(),
      sweep: (isOpen, signal) =>
        sweepBlobFolder({ folder, objects: rows, isOpen, startedMs: Date.now(), signal }),
      close: () => Promise.resolve(),
    };
  }
  const { openS3Store } = await import('../../storage/drivers/s3.ts');
  const objects = await openS3Store({ ...place, patience: PATIENCE });
  const check = async (signal: AbortSignal): Promise<void> => objects.check?.({ signal });
  const healthOf = (verb: 'read' | 'write'): StoreHealth => {
    const onChange = (isHere: boolean): void => {
      metrics.cacheStoreUp.set({ verb }, Number(isHere));
    };
    return new StoreHealth({ verb, check, onChange, logger, pauses });
  };
  const health = { reads: healthOf('read'), writes: healthOf('write') };
  const owner = await maps.owner();
  const guard = (blocks: BlockPlace): BlockPlace => new GuardedPlace(blocks, health);
  const store = new BucketStore({ objects, maps, owner, guard });
  return {
    store,
    assertWritable: () => {
      health.writes.assertHere();
    },
    check,
    sweep: (isOpen, signal) => sweepBucket({ objects, store, maps, rows, isOpen, signal }),
    close: async () => {
      await Promise.all([health.reads.close(), health.writes.close()]);
    },
  };
}
