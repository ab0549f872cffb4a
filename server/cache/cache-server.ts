import { isOpenToAll } from '../auth/open-to-all.ts';
import type { CacheConfig } from '../config.ts';
import { listen } from '../http/http-server.ts';
import { openTls } from '../http/tls.ts';
import { createLimiter } from '../limits/limiter.ts';
import type { Logger } from '../observe/logger.ts';
import { openParts, type CacheTuning } from './cache-parts.ts';
import { createRoutes } from './cache-routes.ts';
import { createHotCachedBlobs } from './hot-blobs.ts';

export interface RunningCache {
  /** Without a trailing slash. */
  readonly url: string;
  /** Drains, and leaves everything durable. */
  close(): Promise<void>;
}

/**
 * Starts a regional cache: `<data>/blobs/` or a bucket holds sparse blobs, `<data>/cache.sqlite` what is
 * known of them. Throws `conflict` when another process uses the folder, `unavailable`, `no_space`, and the
 * system's error when the address can't be taken. The origin need not be there.
 */
export async function startCache(
  config: CacheConfig,
  logger: Logger,
  tuning: CacheTuning = {},
): Promise<RunningCache> {
  const started: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started.toReversed()) await end();
  };
  try {
    const url = await start(config, logger, tuning, started);
    return { url, close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Pushes how to undo each step onto `started`. */
async function start(
  config: CacheConfig,
  logger: Logger,
  tuning: CacheTuning,
  started: (() => Promise<void> | void)[],
): Promise<string> {
  const parts = await openParts(config, logger, tuning, started);
  const { mirror, reports } = parts;
  const { metrics } = parts;
  const tls = config.tls === undefined ? undefined : await openTls(config.tls, { logger, metrics });
  const limiter = createLimiter(config.limits);
  const server = await listen({
    routes: createRoutes(parts, limiter, tls),
    // A digest alone gives no right to what other registries have.
    hot: isOpenToAll(config) && !parts.foreign.needed ? createHotCachedBlobs(parts) : undefined,
    ...(config.limits.address.perSecond > 0 && {
      admit: (address: string) => limiter.admitAddress(address),
    }),
    ...config.listen,
    tls,
    drainMs: config.drainMs,
    logger,
    metrics,
    tier: 'cache',
  });
  started.push(
    () => mirror.close(),
    () => reports.close(),
    () => server.close(),
  );
  await mirror.start();
  await reports.start();
  return server.url;
}
