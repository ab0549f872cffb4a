import { join } from 'node:path';

import { mintSecret, secretDigest } from '../../server/auth/tokens.ts';
import { startCache } from '../../server/cache/cache-server.ts';
import { loadCacheConfig, loadServerConfig } from '../../server/config-load.ts';
import { createLogger, type Logger } from '../../server/observe/logger.ts';
import { createMetrics, type Metrics } from '../../server/observe/metrics.ts';
import { openStore, type OpenedStore } from '../../server/open-store.ts';
import { serveOrigin } from '../../server/origin.ts';

/** A server's log lines, and what they say that it answered. */
export class LogLines {
  readonly lines: Readonly<Record<string, unknown>>[] = [];
  readonly logger: Logger = createLogger('debug', {
    write: (line) => {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  });

  get answered(): readonly { readonly operation: string; readonly status: number }[] {
    return this.lines
      .filter(({ msg }) => msg === 'answered')
      .map(({ method, route, status }) => ({
        operation: `${String(method).toLowerCase()} ${String(route)}`,
        status: Number(status),
      }));
  }
}

export interface LiveServer {
  readonly url: string;
  readonly log: LogLines;
  readonly close: () => Promise<void>;
}

export interface LiveOrigin extends LiveServer {
  readonly store: OpenedStore;
  readonly metrics: Metrics;
  /** A token's secret. */
  readonly makeToken: (name: string, grants: readonly string[]) => Promise<string>;
}

/** Every route of an origin, from the sources, over a store in `dir`; nothing builds deltas. */
export async function startLiveOrigin(
  dir: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<LiveOrigin> {
  const flags = { data: join(dir, 'origin'), listen: '127.0.0.1:0', ...settings };
  const config = await loadServerConfig({ flags, env: {} });
  const store = await openStore(config);
  const matrix = {
    poke: () => undefined,
    plan: () => Promise.resolve(),
    planRef: () => Promise.resolve(),
  };
  const log = new LogLines();
  const metrics = createMetrics();
  const server = await serveOrigin({ config, store, matrix, logger: log.logger, metrics });
  return {
    url: server.url,
    log,
    store,
    metrics,
    async makeToken(name, grants) {
      const secret = mintSecret();
      await store.catalog.tokens.create(secretDigest(secret), { name, grants });
      return secret;
    },
    async close() {
      await server.close(0);
      await store.close();
    },
  };
}

/** A cache from the sources, in front of `upstream`. */
export async function startLiveCache(dir: string, upstream: string): Promise<LiveServer> {
  const flags = { data: join(dir, 'cache'), listen: '127.0.0.1:0', upstream, region: 'eu' };
  const config = await loadCacheConfig({ flags, env: {} });
  const log = new LogLines();
  const cache = await startCache(config, log.logger);
  return { url: cache.url, log, close: () => cache.close() };
}
