import { AGE_HEADER } from '../../delta/agent/protocol.ts';
import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { CacheConfig } from '../config.ts';
import { checkConditions } from '../http/conditions.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import type { Contract } from '../http/validate.ts';
import type { Metrics } from '../observe/metrics.ts';
import { sendJson } from '../oci/respond.ts';
import type { Mirror } from './mirror/mirror.ts';
import type { BlobPlace } from './open-blob-store.ts';
import type { KnownFiles } from './ostree/known-files.ts';
import type { RegistrySource } from './registries/sources.ts';
import type { Releases } from './releases.ts';
import type { ReportSender } from './report-sender.ts';
import { PROBE_MS } from './store-health.ts';
import type { Upstream } from './upstream.ts';

export interface StatusRouteOptions {
  readonly config: CacheConfig;
  readonly catalog: CacheCatalog;
  readonly blobPlace: Pick<BlobPlace, 'check'>;
  readonly upstream: Upstream;
  readonly registries: readonly RegistrySource[];
  readonly clock: Clock;
  readonly releases: Releases;
  readonly mirror: Mirror;
  readonly knownFiles: KnownFiles;
  readonly reports: ReportSender;
  readonly contract: Contract;
  readonly metrics: Metrics;
}

type Handler = (x: Exchange, options: StatusRouteOptions) => Promise<void>;

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['/v1/status', sendStatus],
  ['/v1/releases', sendReleases],
  ['/livez', sendOk],
  ['/readyz', sendReady],
  ['/metrics', sendMetrics],
  ['/openapi.yaml', sendContract],
]);

/** What operators and probes read of a cache. */
export function createStatusRoute(options: StatusRouteOptions): RawRoute {
  return async (x) => {
    const handler = HANDLERS.get(x.path);
    if (handler === undefined) return false;
    x.route = x.path;
    if (x.req.method !== 'GET' && x.req.method !== 'HEAD') {
      throw new HttpError('method_not_allowed', `${x.path} can be read only`, {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    await handler(x, options);
    return true;
  };
}

async function sendStatus({ res }: Exchange, options: StatusRouteOptions): Promise<void> {
  const { config, catalog, upstream, releases, mirror, reports, metrics, knownFiles } = options;
  const nowMs = options.clock();
  const { count, completeCount, bytes } = await catalog.objects.totals();
  sendJson(res, 200, {
    role: 'cache',
    region: config.region,
    upstream: upstream.url,
    reachable: upstream.state.reachable ?? false,
    // Null until the origin was heard once.
    ageSeconds: releases.ageSeconds ?? null,
    registries: options.registries.map(({ name, upstream: own }) => ({
      name,
      url: own.url,
      reachable: own.state.reachable ?? null,
      ageSeconds: heardSeconds(own, nowMs),
    })),
    objects: count,
    completeObjects: completeCount,
    bytes: bytes + knownFiles.bytes,
    budgetBytes: config.budgetBytes,
    // Both since the start of this process.
    egressBytes: await total(metrics.originBytes),
    servedBytes: await total(metrics.bytesServed),
    queuedReports: reports.queued,
    droppedReports: reports.dropped,
    mirrored: await mirror.mirrored(),
    mirror: mirror.status,
  });
}

async function total(counter: Metrics['originBytes' | 'bytesServed']): Promise<number> {
  const { values } = await counter.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

/** As the origin last said, with the age of that. */
function sendReleases({ req, res }: Exchange, { releases }: StatusRouteOptions): Promise<void> {
  const { snapshot, ageSeconds } = releases;
  if (snapshot === undefined) {
    throw new HttpError('unavailable', 'the origin has not been heard yet');
  }
  if (ageSeconds !== undefined) res.setHeader(AGE_HEADER, ageSeconds.toString());
  if (snapshot.etag !== undefined) res.setHeader('ETag', snapshot.etag);
  const { etag, body } = snapshot;
  if (etag !== undefined && checkConditions(req.headers, etag) === 'not_modified') {
    res.writeHead(304).end();
  } else {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    res.end(body);
  }
  return Promise.resolve();
}

function sendOk({ res }: Exchange): Promise<void> {
  sendJson(res, 200, { status: 'ok' }, { 'Cache-Control': 'no-store' });
  return Promise.resolve();
}

/** A cache is ready without its origin, that is what it is for, and without its bucket: blobs pass through. */
async function sendReady(x: Exchange, options: StatusRouteOptions): Promise<void> {
  try {
    await options.catalog.ping();
  } catch (cause) {
    throw new HttpError('unavailable', 'not ready', { cause, detail: { failing: ['catalog'] } });
  }
  const signal = AbortSignal.any([x.signal, AbortSignal.timeout(PROBE_MS)]);
  const isHere = await options.blobPlace.check(signal).then(
    () => true,
    () => false,
  );
  const health = { status: 'ok', ...(!isHere && { away: ['store'] }) };
  sendJson(x.res, 200, health, { 'Cache-Control': 'no-store' });
}

async function sendMetrics({ res }: Exchange, options: StatusRouteOptions): Promise<void> {
  const { metrics, upstream, registries } = options;
  noteState(metrics, 'origin', upstream);
  for (const { name, upstream: own } of registries) noteState(metrics, name, own);
  const text = await metrics.registry.metrics();
  res.writeHead(200, { 'Content-Type': metrics.registry.contentType }).end(text);
}

function noteState(metrics: Metrics, name: string, { state }: Upstream): void {
  const { reachable, contactMs } = state;
  if (reachable !== undefined) metrics.upstreamReachable.set({ upstream: name }, Number(reachable));
  if (contactMs !== undefined) metrics.upstreamHeard.set({ upstream: name }, contactMs / 1000);
}

/** Null until it was heard once. */
function heardSeconds({ state }: Upstream, nowMs: number): number | null {
  if (state.contactMs === undefined) return null;
  return Math.max(0, Math.floor((nowMs - state.contactMs) / 1000));
}

function sendContract({ res }: Exchange, { contract }: StatusRouteOptions): Promise<void> {
  res.writeHead(200, { 'Content-Type': 'application/yaml' }).end(contract.text);
  return Promise.resolve();
}
