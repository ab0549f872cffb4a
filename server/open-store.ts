import { join } from 'node:path';

import { BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../storage/catalog/sqlite.ts';
import type { Clock } from '../storage/clock.ts';
import { openFsStore } from '../storage/drivers/fs.ts';
import { openS3Store } from '../storage/drivers/s3.ts';
import { makeDirectory } from '../storage/durable.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { StoreConfig } from './config.ts';

/** What of the configuration says where bytes and facts live. */
export interface StoreLocation {
  readonly data: string;
  readonly store: StoreConfig;
}

export interface OpenedStore {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  close(): Promise<void>;
}

/** Where a server keeps files that no crash needs to leave behind. */
export function scratchFolder(data: string): string {
  return join(data, 'scratch');
}

/** Where `.filez` objects of OSTree are kept once they were made; all of them can be made again. */
export function filezFolder(data: string): string {
  return join(data, 'ostree-filez');
}

/** Where builds of flat-manager's clients are remembered until they are published. */
export function buildsFolder(data: string): string {
  return join(data, 'ostree-builds');
}

/**
 * Opens the object store and the catalog under `config.data` (`store/`, `catalog.sqlite`,
 * `scratch/`), making folders as needed. Several processes and threads may open the same one.
 * Throws `StorageError`: `unavailable` when either can't be opened, `conflict` for a newer schema.
 */
export async function openStore(
  config: StoreLocation,
  clock: Clock = Date.now,
): Promise<OpenedStore> {
  await makeDirectory(scratchFolder(config.data));
  const objects = await openObjects(config);
  const catalog = await openSqliteCatalog(join(config.data, 'catalog.sqlite'), clock);
  return { blobs: new BlobStore(objects), catalog, close: () => catalog.close() };
}

function openObjects({ data, store }: StoreLocation): Promise<ObjectStore> {
  switch (store.kind) {
    case 'fs':
      return openFsStore(join(data, 'store'));
    case 's3':
      return openS3Store(store);
  }
}
