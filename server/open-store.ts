import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import type { PostgresLocation, PostgresTls } from '../storage/catalog/postgres/location.ts';
import { openSqliteCatalog } from '../storage/catalog/sqlite.ts';
import type { Clock } from '../storage/clock.ts';
import { openFsStore } from '../storage/drivers/fs.ts';
import { makeDirectory } from '../storage/durable.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { CatalogConfig, StoreConfig } from './config.ts';
import { ServerError } from './errors.ts';

/** What of the configuration says where bytes and facts live. */
export interface StoreLocation {
  readonly data: string;
  readonly store: StoreConfig;
  /** Absent: the embedded one. */
  readonly catalog?: CatalogConfig | undefined;
}

export interface OpenedStore {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  close(): Promise<void>;
}

/** The catalog's file where it is SQLite. */
export function catalogFile(data: string): string {
  return join(data, 'catalog.sqlite');
}

/** Where the folder driver keeps objects. */
export function objectsFolder(data: string): string {
  return join(data, 'store');
}

/** Where a server keeps files that no crash needs to leave behind. */
export function scratchFolder(data: string): string {
  return join(data, 'scratch');
}

/** Where `.filez` objects of OSTree are kept once they were made; all of them can be made again. */
export function filezFolder(data: string): string {
  return join(data, 'ostree-filez');
}

/**
 * Opens the object store and the catalog: under `config.data` (`store/`, `catalog.sqlite`), a bucket, a
 * PostgreSQL database. Folders are made as needed, `scratch/` always. Several processes and threads may
 * open the same ones. Throws `StorageError`: `unavailable` when either can't be opened, `conflict` for a
 * newer schema; `config` for a file of the configuration that can't be read.
 */
export async function openStore(
  config: StoreLocation,
  clock: Clock = Date.now,
): Promise<OpenedStore> {
  await makeDirectory(scratchFolder(config.data));
  const objects = await openObjects(config);
  const catalog = await openCatalog(config, clock);
  return { blobs: new BlobStore(objects), catalog, close: () => catalog.close() };
}

/** The clients of S3 and PostgreSQL are loaded where they are used: every start and builder would wait for them. */
export async function openObjects({ data, store }: StoreLocation): Promise<ObjectStore> {
  switch (store.kind) {
    case 'fs':
      return openFsStore(objectsFolder(data));
    case 's3': {
      const { openS3Store } = await import('../storage/drivers/s3.ts');
      return openS3Store(store);
    }
  }
}

async function openCatalog({ data, catalog }: StoreLocation, clock: Clock): Promise<Catalog> {
  switch (catalog?.kind) {
    case undefined:
    case 'sqlite':
      return openSqliteCatalog(catalogFile(data), clock);
    case 'postgres': {
      const { openPostgresCatalog } = await import('../storage/catalog/postgres/catalog.ts');
      return openPostgresCatalog(await postgresLocation(catalog), clock);
    }
  }
}

/** Where the settings say that PostgreSQL is; throws `config` for a file that can't be read. */
export async function postgresLocation({
  url,
  urlFile,
  poolSize,
  tls,
}: Extract<CatalogConfig, { kind: 'postgres' }>): Promise<PostgresLocation> {
  return {
    url: url ?? (await readSetting('catalog.urlFile', urlFile))?.trim() ?? '',
    poolSize,
    ...(tls !== undefined && { tls: await readTls(tls) }),
  };
}

async function readTls({ ca, cert, key }: PostgresTls): Promise<PostgresTls> {
  return {
    ca: await readSetting('catalog.tls.ca', ca),
    cert: await readSetting('catalog.tls.cert', cert),
    key: await readSetting('catalog.tls.key', key),
  };
}

async function readSetting(name: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ServerError('config', `cannot read ${name}: ${String(cause)}`, { cause });
  }
}
