import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What a server counts. No device, digest or repository ever becomes a label. */
export interface Metrics {
  /** Rendered by `/metrics`. */
  readonly registry: Registry;
  /** `route`: the pattern that answered, never the path itself. */
  readonly httpRequests: Counter<'route' | 'status'>;
  /** From a request's head to the end of its answer; the hot path's are not measured. */
  readonly httpSeconds: Histogram<'route'>;
  /** Body bytes of blobs. `tier`: origin or cache; `kind`: whole, range or multirange. */
  readonly bytesServed: Counter<'tier' | 'kind'>;
  /** Requests with a Range header. `kind`: range, multirange, unsatisfiable or ignored. */
  readonly rangeRequests: Counter<'kind'>;
  /** `kind`: image or ostree. */
  readonly deltaBuilds: Counter<'result' | 'kind'>;
  readonly deltaBuildSeconds: Histogram<'kind'>;
  readonly checks: Counter<'result' | 'reason'>;
  readonly checkSeconds: Histogram;
  /** `plan`: delta, chunks or full. */
  readonly bytesSaved: Counter<'plan'>;
  readonly updateBytes: Counter<'plan'>;
  readonly updateWireBytes: Counter<'plan'>;
  /** `result`: hit, partial, miss, stale, error. */
  readonly cacheRequests: Counter<'result'>;
  readonly cacheFillInflight: Gauge;
  /** `reason`: no_space or store_away. */
  readonly cachePassed: Counter<'reason'>;
  /** Of a cache's bucket, by what is asked of it, read or write: 0 while it is away. */
  readonly cacheStoreUp: Gauge<'verb'>;
  /** Of a cache's upstreams, by their configured name: 1 when the last request was answered. */
  readonly upstreamReachable: Gauge<'upstream'>;
  /** When it last answered. */
  readonly upstreamHeard: Gauge<'upstream'>;
  /** Bytes that a cache fetched from its origin. */
  readonly originBytes: Counter;
  /** Of those, what was fetched ahead of demand. */
  readonly mirrorBytes: Counter;
  /** Bytes that a cache's policy wants and that are not here. */
  readonly mirrorLacking: Gauge;
  /** Has no value without TLS. */
  readonly tlsCertExpiry: Gauge;
}

/** Metrics in a registry of their own, the process's own figures included. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    httpRequests: new Counter({
      name: 'rivulet_http_requests_total',
      help: 'Requests answered, by route pattern and status.',
      labelNames: ['route', 'status'],
      registers,
    }),
    httpSeconds: new Histogram({
      name: 'rivulet_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer, by route; hot answers excepted.',
      labelNames: ['route'],
      buckets: [0.001, 0.01, 0.1, 1, 10, 60, 600],
      registers,
    }),
    bytesServed: new Counter({
      name: 'rivulet_bytes_served_total',
      help: 'Body bytes of blobs sent.',
      labelNames: ['tier', 'kind'],
      registers,
    }),
    rangeRequests: new Counter({
      name: 'rivulet_range_requests_total',
      help: 'Blob requests with a Range header, by how they were answered.',
      labelNames: ['kind'],
      registers,
    }),
    ...deltaMetrics(registers),
    ...checkMetrics(registers),
    ...cacheMetrics(registers),
    tlsCertExpiry: tlsMetric(registers),
  };
}

function deltaMetrics(registers: Registry[]) {
  return {
    deltaBuilds: new Counter({
      name: 'rivulet_delta_builds_total',
      help: 'Delta builds that ended, by result, and by kind: of images, or of OSTree commits.',
      labelNames: ['result', 'kind'] as const,
      registers,
    }),
    deltaBuildSeconds: new Histogram({
      name: 'rivulet_delta_build_duration_seconds',
      help: 'Time to build one delta, its proof included, by kind.',
      labelNames: ['kind'] as const,
      buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600],
      registers,
    }),
  };
}

function checkMetrics(registers: Registry[]) {
  return {
    checks: new Counter({
      name: 'rivulet_checks_total',
      help: 'Update checks, by result and reason.',
      labelNames: ['result', 'reason'] as const,
      registers,
    }),
    checkSeconds: new Histogram({
      name: 'rivulet_check_duration_seconds',
      help: 'Time to answer an update check.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    bytesSaved: new Counter({
      name: 'rivulet_bytes_saved_total',
      help: 'Bytes of whole images less those fetched instead, of updates reported as applied.',
      labelNames: ['plan'] as const,
      registers,
    }),
    updateBytes: new Counter({
      name: 'rivulet_update_bytes_total',
      help: 'Bytes of bodies of updates reported as healthy with their bytes on the wire.',
      labelNames: ['plan'] as const,
      registers,
    }),
    updateWireBytes: new Counter({
      name: 'rivulet_update_wire_bytes_total',
      help: 'Bytes on the wire of updates reported as healthy, with all tries before, both ways, TLS included.',
      labelNames: ['plan'] as const,
      registers,
    }),
  };
}

function cacheMetrics(registers: Registry[]) {
  return {
    cacheRequests: new Counter({
      name: 'rivulet_cache_requests_total',
      help: 'Blob requests to the cache, by result.',
      labelNames: ['result'] as const,
      registers,
    }),
    cacheFillInflight: new Gauge({
      name: 'rivulet_cache_fill_inflight',
      help: 'Fills from the origin that are running.',
      registers,
    }),
    cachePassed: new Counter({
      name: 'rivulet_cache_passed_total',
      help: 'Transfers of blobs that passed through without being kept: for want of space, or of the bucket.',
      labelNames: ['reason'] as const,
      registers,
    }),
    cacheStoreUp: new Gauge({
      name: 'rivulet_cache_store_up',
      help: 'Whether the bucket of this cache can be used, by what is asked of it: read or write.',
      labelNames: ['verb'] as const,
      registers,
    }),
    upstreamReachable: new Gauge({
      name: 'rivulet_upstream_reachable',
      help: 'Whether the origin, or another registry, answered the last request of this cache.',
      labelNames: ['upstream'] as const,
      registers,
    }),
    upstreamHeard: new Gauge({
      name: 'rivulet_upstream_heard_timestamp_seconds',
      help: 'When the origin, or another registry, last answered this cache.',
      labelNames: ['upstream'] as const,
      registers,
    }),
    originBytes: new Counter({
      name: 'rivulet_origin_bytes_total',
      help: 'Body bytes fetched from the origin.',
      registers,
    }),
    mirrorBytes: new Counter({
      name: 'rivulet_mirror_bytes_total',
      help: 'Body bytes that were let through to be fetched ahead of demand.',
      registers,
    }),
    mirrorLacking: new Gauge({
      name: 'rivulet_mirror_lacking_bytes',
      help: 'Bytes that the policy of this cache wants and that are not here yet.',
      registers,
    }),
  };
}

function tlsMetric(registers: Registry[]): Gauge {
  const gauge = new Gauge({
    name: 'rivulet_tls_cert_expiry_timestamp_seconds',
    help: 'When the certificate that is in use runs out, in seconds since 1970.',
    registers,
  });
  // Born with 0, which would read as long expired on a server without TLS.
  gauge.remove();
  return gauge;
}
