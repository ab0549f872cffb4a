import { sql } from 'kysely';

import { CachedDocuments } from './cache-documents.ts';
import { CachedImages } from './cache-images.ts';
import { LiveCommits } from './cache-live-commits.ts';
import { CachedManifests } from './cache-manifests.ts';
import { CachedMaps } from './cache-maps.ts';
import { CachedMembers } from './cache-members.ts';
import { CACHE_MIGRATIONS } from './cache-migrations.ts';
import { CachedObjects } from './cache-objects.ts';
import { CachedOstreeDocuments } from './cache-ostree-documents.ts';
import { CachedOstreeFiles } from './cache-ostree-files.ts';
import { CachedOstreeSummaries } from './cache-ostree-summaries.ts';
import { LiveVersions } from './cache-live.ts';
import { ReportQueue } from './cache-reports.ts';
import type { CacheSchema } from './cache-schema.ts';
import { openSqlite } from './database.ts';

/** A regional cache's own facts, one concern a member. Methods reject with `StorageError`. */
export interface CacheCatalog {
  readonly objects: CachedObjects;
  readonly maps: CachedMaps;
  readonly manifests: CachedManifests;
  readonly members: CachedMembers;
  readonly documents: CachedDocuments;
  readonly ostreeFiles: CachedOstreeFiles;
  readonly ostreeDocuments: CachedOstreeDocuments;
  readonly ostreeSummaries: CachedOstreeSummaries;
  readonly live: LiveVersions;
  readonly liveCommits: LiveCommits;
  readonly images: CachedImages;
  readonly reports: ReportQueue;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Opens or makes the cache's catalog at `path`; throws `unavailable`, `no_space`, `conflict`. */
export async function openCacheCatalog(path: string): Promise<CacheCatalog> {
  const { db } = await openSqlite<CacheSchema>(path, CACHE_MIGRATIONS);
  return {
    objects: new CachedObjects(db),
    maps: new CachedMaps(db),
    manifests: new CachedManifests(db),
    members: new CachedMembers(db),
    documents: new CachedDocuments(db),
    ostreeFiles: new CachedOstreeFiles(db),
    ostreeDocuments: new CachedOstreeDocuments(db),
    ostreeSummaries: new CachedOstreeSummaries(db),
    live: new LiveVersions(db),
    liveCommits: new LiveCommits(db),
    images: new CachedImages(db),
    reports: new ReportQueue(db),
    ping: async () => {
      await sql`select 1`.execute(db);
    },
    close: () => db.destroy(),
  };
}
