import type { CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { BlobCache } from '../blob-cache.ts';
import type { RetryPolicy } from '../retry.ts';
import type { Upstream } from '../upstream.ts';
import { OstreeDocuments } from './documents.ts';
import { OstreeFiles } from './files.ts';
import { OstreeHandlers } from './handlers.ts';
import type { KnownFiles } from './known-files.ts';
import { SummaryPairs } from './summary-pairs.ts';

export interface CreateOstreeHandlersOptions {
  readonly upstream: Upstream;
  readonly catalog: CacheCatalog;
  readonly knownFiles: KnownFiles;
  readonly blobs: BlobCache;
  readonly fillRetry: RetryPolicy;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What answers for OSTree repositories at a cache, put together. */
export function createOstreeHandlers(options: CreateOstreeHandlersOptions): OstreeHandlers {
  const { catalog, knownFiles: known, fillRetry: retry } = options;
  return new OstreeHandlers({
    ...options,
    files: new OstreeFiles({ ...options, objects: catalog.objects, known, retry }),
    documents: new OstreeDocuments({ ...options, ostreeDocuments: catalog.ostreeDocuments }),
    summaries: new SummaryPairs({ ...options, ostreeSummaries: catalog.ostreeSummaries }),
  });
}
