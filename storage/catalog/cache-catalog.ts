import { sql } from 'kysely';

import { fromErrno } from '../durable.ts';
import { CachedDocuments } from './cache-documents.ts';
import { CachedManifests } from './cache-manifests.ts';
import { CACHE_MIGRATIONS } from './cache-migrations.ts';
import { CachedObjects } from './cache-objects.ts';
import { LiveVersions } from './cache-live.ts';
import { ReportQueue } from './cache-reports.ts';
import type { CacheSchema, Guard } from './cache-schema.ts';
import { openSqlite } from './database.ts';
import { mapSqliteError } from './sqlite-errors.ts';

/** A regional cache's own facts, one concern a member. Methods reject with `StorageError`. */
export interface CacheCatalog {
  readonly objects: CachedObjects;
  readonly manifests: CachedManifests;
  readonly documents: CachedDocuments;
  readonly live: LiveVersions;
  readonly reports: ReportQueue;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Opens or makes the cache's catalog at `path`; throws `unavailable`, `no_space`, `conflict`. */
export async function openCacheCatalog(path: string): Promise<CacheCatalog> {
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw mapSqliteError(fromErrno(error, `the catalog ${path}`), path);
    }
  };
  const db = await guarded(() => openSqlite<CacheSchema>(path, CACHE_MIGRATIONS));
  const guard: Guard = (work) => guarded(() => work(db));
  return {
    objects: new CachedObjects(guard),
    manifests: new CachedManifests(guard),
    documents: new CachedDocuments(guard),
    live: new LiveVersions(guard),
    reports: new ReportQueue(guard),
    ping: async () => {
      await guard((database) => sql`select 1`.execute(database));
    },
    close: () => db.destroy(),
  };
}
