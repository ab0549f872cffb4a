import { Collector } from './collector.ts';
import type { ServerConfig } from './config.ts';
import { listen, type HttpServer } from './http/http-server.ts';
import { openTls } from './http/tls.ts';
import { startMatrix } from './matrix/matrix-service.ts';
import { createLogger } from './observe/logger.ts';
import { createMetrics } from './observe/metrics.ts';
import { openStore } from './open-store.ts';
import { createOriginRoutes, type OriginParts } from './origin-routes.ts';

/** A part of Rivulet that runs until it is closed. */
export interface Running {
  close(): Promise<void>;
}

/** Starts an origin in this process: routes over one store, the matrix that builds deltas, the collector. */
export async function startOrigin(
  config: ServerConfig,
): Promise<Running & { readonly url: string }> {
  const logger = createLogger(config.logLevel);
  const metrics = createMetrics();
  const store = await openStore(config);
  const { blobs, catalog } = store;
  const matrix = startMatrix({ config, blobs, catalog, logger, metrics, clock: Date.now });
  const collector = new Collector({ config, store, logger, clock: Date.now });
  try {
    const server = await serveOrigin({ config, store, matrix, logger, metrics });
    return {
      url: server.url,
      async close() {
        await server.close();
        await collector.close();
        await matrix.close();
        await store.close();
      },
    };
  } catch (error) {
    await collector.close();
    await matrix.close();
    await store.close();
    throw error;
  }
}

/** Listens with every route of an origin; several processes may do so over one store. */
export async function serveOrigin(parts: OriginParts): Promise<HttpServer> {
  const { config, logger, metrics } = parts;
  const tls = config.tls === undefined ? undefined : await openTls(config.tls, { logger, metrics });
  const answers = await createOriginRoutes(parts, tls);
  const { listen: address, drainMs } = config;
  return listen({ ...answers, ...address, tls, drainMs, logger, metrics, tier: 'origin' });
}

/** Runs only the builders, over a store and a catalog that origins share. */
export async function startBuilder(
  config: ServerConfig,
): Promise<Running & { readonly builders: number }> {
  const logger = createLogger(config.logLevel);
  const store = await openStore(config);
  const { blobs, catalog } = store;
  const builders = Math.max(1, config.matrix.builders);
  const matrix = startMatrix({
    config: { ...config, matrix: { ...config.matrix, builders } },
    blobs,
    catalog,
    logger,
    metrics: createMetrics(),
    clock: Date.now,
  });
  return {
    builders,
    async close() {
      await matrix.close();
      await store.close();
    },
  };
}
