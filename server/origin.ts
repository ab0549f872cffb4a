import { UploadService } from '../storage/upload.ts';
import { createAccess, type Access } from './auth/access.ts';
import { allowsAll } from './auth/grants.ts';
import { createBlobRoute } from './blobs.ts';
import type { ServerConfig } from './config.ts';
import { createHotBlobs } from './hot-blobs.ts';
import { listen, type HttpServer } from './http/http-server.ts';
import { loadContract } from './http/validate.ts';
import { startMatrix, type MatrixService } from './matrix/matrix-service.ts';
import { createRegistry } from './oci/registry.ts';
import { openStore } from './open-store.ts';
import { createLogger, type Logger } from './observe/logger.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import type { OpenedStore } from './open-store.ts';
import { createApi } from './updates/api.ts';

/** A part of Rivulet that runs until it is closed. */
export interface Running {
  close(): Promise<void>;
}

/** What the routes of an origin need to know of the matrix. */
export type MatrixHandle = Pick<MatrixService, 'poke' | 'plan'>;

interface OriginParts {
  readonly config: ServerConfig;
  readonly store: OpenedStore;
  readonly matrix: MatrixHandle;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** As text, what all processes of the server counted; default: what this one did. */
  readonly scrape?: (() => Promise<string>) | undefined;
}

/** Starts an origin in this process: routes over one store, and the matrix that builds deltas. */
export async function startOrigin(
  config: ServerConfig,
): Promise<Running & { readonly url: string }> {
  const logger = createLogger(config.logLevel);
  const metrics = createMetrics();
  const store = await openStore(config);
  const { blobs, catalog } = store;
  const matrix = startMatrix({ config, blobs, catalog, logger, metrics, clock: Date.now });
  try {
    const server = await serveOrigin({ config, store, matrix, logger, metrics });
    return {
      url: server.url,
      async close() {
        await server.close();
        await matrix.close();
        await store.close();
      },
    };
  } catch (error) {
    await matrix.close();
    await store.close();
    throw error;
  }
}

/** Listens with every route of an origin; several processes may do so over one store. */
export async function serveOrigin(parts: OriginParts): Promise<HttpServer> {
  const { config, store, matrix, logger, metrics, scrape } = parts;
  const { blobs, catalog } = store;
  const clock = Date.now;
  const uploads = new UploadService({ objects: blobs.objects, catalog, clock });
  const access = accessOf(parts);
  const rules = config.access === undefined ? undefined : access;
  const registry = createRegistry({
    blobs,
    catalog,
    uploads,
    clock,
    logger,
    authorize: rules?.registry,
    mayPull: rules?.mayPull,
    mayList: rules?.mayList,
    // The pairs of a new release stand in the matrix before its push is answered.
    onManifest: async (repo, _digest, tag) => {
      if (tag !== undefined) await matrix.plan(repo, tag);
    },
  });
  const contract = await loadContract();
  const app = createApi({
    config,
    blobs,
    catalog,
    contract,
    matrix,
    logger,
    metrics,
    scrape,
    clock,
    authorize: rules?.api,
  });
  const { host, port } = config.listen;
  const open = [access.token, createBlobRoute({ blobs }), registry];
  const routes = rules === undefined ? open : [rules.route, ...open];
  const { anonymous } = config.access ?? { anonymous: ['pull:**'] };
  // Where anyone may read everything, and nobody is told apart by a certificate.
  const isOpen = allowsAll(anonymous ?? []) && config.tls?.clientCa === undefined;
  const hot = isOpen ? createHotBlobs(store) : undefined;
  const { drainMs } = config;
  return listen({ routes, app, host, port, drainMs, logger, metrics, tier: 'origin', hot });
}

/** While the configuration sets no rules, everyone may do everything: then only its tokens are asked. */
function accessOf({ config, store, logger }: OriginParts): Access {
  const { access = { anonymous: ['admin:**'] }, publicUrl } = config;
  const { tokens, signingKeys } = store.catalog;
  return createAccess({ access, tokens, signingKeys, clock: Date.now, logger, publicUrl });
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
