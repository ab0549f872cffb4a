import { join } from 'node:path';

import { openCacheCatalog, type CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import { lockFolder } from '../../storage/catalog/cache-lock.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { makeDirectory } from '../../storage/durable.ts';
import type { CacheConfig } from '../config.ts';
import { loadContract, type Contract } from '../http/validate.ts';
import type { Logger } from '../observe/logger.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { BlobCache } from './blob-cache.ts';
import { LiveTracker } from './live.ts';
import { Mirror } from './mirror.ts';
import { OriginApi } from './origin-api.ts';
import { KnownFiles } from './ostree/known-files.ts';
import { Releases } from './releases.ts';
import { ReportSender } from './report-sender.ts';
import type { RetryPolicy } from './retry.ts';
import { sweepBlobFolder } from './sweep.ts';
import { Upstream } from './upstream.ts';
import { UpstreamBlobs } from './upstream-blobs.ts';

/** A fill that got nothing in so many tries breaks its readers; what it had stays. */
const FILL_RETRY: RetryPolicy = { attempts: 5, pauseMs: 200, maxPauseMs: 2000 };

/** What tests may set. */
export interface CacheTuning {
  readonly clock?: Clock | undefined;
  readonly fillRetry?: RetryPolicy | undefined;
  /** How long the origin may send nothing. */
  readonly progressMs?: number | undefined;
}

/** All that a cache is made of, before it answers requests. */
export interface CacheParts {
  readonly config: CacheConfig;
  readonly catalog: CacheCatalog;
  readonly contract: Contract;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly upstream: Upstream;
  readonly origin: OriginApi;
  readonly releases: Releases;
  readonly blobs: BlobCache;
  readonly knownFiles: KnownFiles;
  readonly fillRetry: RetryPolicy;
  readonly mirror: Mirror;
  readonly live: LiveTracker;
  readonly reports: ReportSender;
}

/** Opens the folder and builds the parts; pushes how to undo each step onto `opened`. */
export async function openParts(
  config: CacheConfig,
  logger: Logger,
  tuning: CacheTuning,
  opened: (() => Promise<void> | void)[],
): Promise<CacheParts> {
  const { clock = Date.now, fillRetry: retry = FILL_RETRY, progressMs } = tuning;
  const folder = join(config.data, 'blobs');
  await makeDirectory(folder);
  const lock = lockFolder(join(config.data, 'cache.lock'));
  opened.push(() => {
    lock.release();
  });
  const catalog = await openCacheCatalog(join(config.data, 'cache.sqlite'));
  opened.push(() => catalog.close());
  const swept = await sweepBlobFolder(folder, catalog.objects);
  if (swept.files + swept.rows > 0)
    logger.info(swept, 'removed what an earlier run left half done');

  const contract = await loadContract();
  const metrics = createMetrics();
  const onBytes = (count: number): void => {
    metrics.originBytes.inc(count);
  };
  const { upstream: originUrl, upstreamToken: token } = config;
  const upstream = new Upstream({ base: originUrl, token, clock, onBytes, progressMs });
  opened.push(() => {
    upstream.close();
  });
  const base = { config, catalog, contract, metrics, logger, clock, upstream };
  const { documents, objects } = catalog;
  const releases = await Releases.open({ ...base, documents });
  const origin = new OriginApi(upstream, config.region);
  const isPinned = (digest: Digest): boolean => mirror.isPinned(digest);
  const { budgetBytes, refreshMs, mirror: fetchAhead } = config;
  const source = new UpstreamBlobs(upstream);
  const { ostreeFiles } = catalog;
  const knownFiles = await KnownFiles.open({ ...base, ostreeFiles, budgetBytes });
  opened.push(() => knownFiles.flush());
  const otherBytes = (): number => knownFiles.bytes;
  const kept = { folder, budgetBytes, isPinned, otherBytes };
  const blobs = new BlobCache({ ...base, ...kept, blobs: source, retry });
  opened.push(() => blobs.close());
  const mirror: Mirror = new Mirror({
    ...base,
    releases,
    live: catalog.live,
    objects,
    blobs,
    fetchAhead,
    refreshMs,
  });
  const onNew = (): void => {
    mirror.poke();
  };
  const live = new LiveTracker({ ...base, versions: catalog.live, onNew });
  const reports = new ReportSender({ ...base, queue: catalog.reports, origin });
  const stores = { blobs, knownFiles, fillRetry: retry };
  return { ...base, ...stores, origin, releases, mirror, live, reports };
}
