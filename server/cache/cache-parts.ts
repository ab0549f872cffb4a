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
import type { Mirror } from './mirror/mirror.ts';
import { openMirror } from './mirror/open-mirror.ts';
import { openBlobStore, type BlobPlace } from './open-blob-store.ts';
import { OriginApi } from './origin-api.ts';
import { KnownFiles } from './ostree/known-files.ts';
import { openRepos, type CachedRepos } from './ostree/open-repos.ts';
import { ForeignCheck } from './registries/foreign-check.ts';
import { openSources, readTls, type RegistrySource } from './registries/sources.ts';
import { Releases } from './releases.ts';
import { ReportSender } from './report-sender.ts';
import type { RetryPolicy } from './retry.ts';
import type { StorePauses } from './store-health.ts';
import { startSweep } from './start-sweep.ts';
import { Upstream, type UpstreamOptions } from './upstream.ts';
import type { UpstreamTls } from './upstream-agents.ts';
import { bearerAuth } from './upstream-auth.ts';
import { UpstreamBlobs } from './upstream-blobs.ts';

/** A fill that got nothing in so many tries breaks its readers; what it had stays. */
const FILL_RETRY: RetryPolicy = { attempts: 5, pauseMs: 200, maxPauseMs: 2000 };

/** What tests may set. */
export interface CacheTuning {
  readonly clock?: Clock | undefined;
  readonly fillRetry?: RetryPolicy | undefined;
  /** Between looks at a bucket that is away. */
  readonly storePauses?: StorePauses | undefined;
  /** How long the origin may send nothing. */
  readonly progressMs?: number | undefined;
}

/** All that a cache is made of, before it answers requests. */
export interface CacheParts {
  readonly config: CacheConfig;
  readonly catalog: CacheCatalog;
  readonly blobPlace: BlobPlace;
  readonly contract: Contract;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly upstream: Upstream;
  readonly upstreamTls: UpstreamTls | undefined;
  /** Registries beside the origin. */
  readonly registries: readonly RegistrySource[];
  readonly foreign: ForeignCheck;
  readonly origin: OriginApi;
  readonly releases: Releases;
  readonly blobs: BlobCache;
  readonly knownFiles: KnownFiles;
  readonly repos: CachedRepos;
  readonly fillRetry: RetryPolicy;
  readonly mirror: Mirror;
  readonly live: LiveTracker;
  readonly reports: ReportSender;
}

/** Opens the folder and the store, and builds the parts; pushes how to undo each step onto `opened`. */
export async function openParts(
  config: CacheConfig,
  logger: Logger,
  tuning: CacheTuning,
  opened: (() => Promise<void> | void)[],
): Promise<CacheParts> {
  const { clock = Date.now, fillRetry: retry = FILL_RETRY, progressMs } = tuning;
  await makeDirectory(config.data);
  const lock = lockFolder(join(config.data, 'cache.lock'));
  opened.push(() => {
    lock.release();
  });
  const catalog = await openCacheCatalog(join(config.data, 'cache.sqlite'));
  opened.push(() => catalog.close());
  const contract = await loadContract();
  const metrics = createMetrics();
  const pauses = tuning.storePauses;
  const blobPlace = await openBlobStore({ config, catalog, metrics, logger, pauses });
  opened.push(() => blobPlace.close());
  const onBytes = (count: number): void => {
    metrics.originBytes.inc(count);
  };
  const upstreamTls = await readTls('upstreamTls', config.upstreamTls);
  const upstream = openUpstream(config, { tls: upstreamTls, clock, onBytes, progressMs });
  opened.push(() => {
    upstream.close();
  });
  const sourceOptions = { config, upstream, clock, onBytes, progressMs };
  const registries = await openSources(sourceOptions, opened);
  const base = { config, catalog, blobPlace, contract, metrics, logger, clock, upstream };
  const { documents } = catalog;
  const releases = await Releases.open({ ...base, documents });
  const origin = new OriginApi(upstream, config.region);
  const isPinned = (digest: Digest): boolean => mirror.isPinned(digest);
  const { budgetBytes } = config;
  const source = new UpstreamBlobs(upstream);
  const { ostreeFiles } = catalog;
  const knownFiles = await KnownFiles.open({ ...base, ostreeFiles, budgetBytes });
  opened.push(() => knownFiles.flush());
  const otherBytes = (): number => knownFiles.bytes;
  const { store, assertWritable } = blobPlace;
  const kept = { store, assertWritable, budgetBytes, isPinned, otherBytes };
  const blobs = new BlobCache({ ...base, ...kept, blobs: source, retry });
  opened.push(() => blobs.close());
  const isOpen = (digest: Digest): boolean => blobs.isOpen(digest);
  opened.push(startSweep((signal) => blobPlace.sweep(isOpen, signal), logger));
  const { members } = catalog;
  const needed = registries.length > 0 || (await members.any());
  const foreign = new ForeignCheck({ ...base, blobs: source, members, needed });
  const repos = openRepos({ ...base, knownFiles, blobs, retry });
  const mirror: Mirror = openMirror({ ...base, releases, blobs, foreign, repos });
  const onNew = (): void => {
    mirror.poke();
  };
  const live = new LiveTracker({
    ...base,
    versions: catalog.live,
    commits: catalog.liveCommits,
    onNew,
  });
  const reports = new ReportSender({ ...base, queue: catalog.reports, origin });
  const stores = { blobs, knownFiles, repos, fillRetry: retry, registries, foreign, upstreamTls };
  return { ...base, ...stores, origin, releases, mirror, live, reports };
}

function openUpstream(
  { upstream: base, upstreamToken: token }: CacheConfig,
  options: Pick<UpstreamOptions, 'tls' | 'clock' | 'onBytes' | 'progressMs'>,
): Upstream {
  const auth = token === undefined ? undefined : bearerAuth(token);
  return new Upstream({ ...options, base, auth });
}
