import type { CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { BlobCache } from '../blob-cache.ts';
import type { RetryPolicy } from '../retry.ts';
import type { Upstream } from '../upstream.ts';
import { CachedDeltas } from './cached-deltas.ts';
import { OstreeDocuments } from './documents.ts';
import { OstreeFiles } from './files.ts';
import type { KnownFiles } from './known-files.ts';
import { SummaryPairs } from './summary-pairs.ts';

export interface OpenReposOptions {
  readonly upstream: Upstream;
  readonly catalog: CacheCatalog;
  readonly knownFiles: KnownFiles;
  readonly blobs: BlobCache;
  readonly retry: RetryPolicy;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The origin's OSTree repositories, by kind of file. */
export interface CachedRepos {
  readonly files: OstreeFiles;
  readonly documents: OstreeDocuments;
  readonly deltas: CachedDeltas;
  readonly summaries: SummaryPairs;
}

export function openRepos(options: OpenReposOptions): CachedRepos {
  const { catalog, knownFiles: known } = options;
  const files = new OstreeFiles({ ...options, objects: catalog.objects, known });
  const { ostreeDocuments, ostreeSummaries } = catalog;
  const documents = new OstreeDocuments({ ...options, ostreeDocuments });
  const deltas = new CachedDeltas(documents, files);
  return { files, documents, deltas, summaries: new SummaryPairs({ ...options, ostreeSummaries }) };
}
