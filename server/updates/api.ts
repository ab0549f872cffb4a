import express, { type Express, type NextFunction, type Request, type Response } from 'express';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Access } from '../auth/access.ts';
import { createToken, listTokens, revokeToken } from '../auth/token-handlers.ts';
import type { ServerConfig } from '../config.ts';
import { HttpError, problemErrors } from '../http/errors.ts';
import { readJson } from '../http/json-body.ts';
import type { Contract } from '../http/validate.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { ApiRequest } from './api-request.ts';
import { CheckService } from './check.ts';
import { checkForUpdate, reportEvents } from './device-handlers.ts';
import { ReleaseFactsReader } from './facts.ts';
import { ImageReader } from './images.ts';
import { getStatus, listDeltas, listDevices, listReleases } from './matrix-handlers.ts';
import { OstreeCheckService } from './ostree/check.ts';
import { OstreeFactsReader } from './ostree/facts.ts';
import { listStaticDeltas } from './ostree-handlers.ts';
import { live, ready, sendContract, sendMetrics } from './operation-handlers.ts';
import { API_OPERATIONS, type ApiOperationId } from './operations.ts';

export interface ApiOptions {
  readonly config: Pick<ServerConfig, 'publicUrl' | 'regions' | 'updates' | 'matrix'>;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** Of `loadContract()`. */
  readonly contract: Contract;
  /** Told when a check put a pair into the matrix. */
  readonly matrix: { poke(): void };
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What all processes of the server counted, as text; default: what this one did. */
  readonly scrape?: (() => Promise<string>) | undefined;
  readonly clock: Clock;
  /** Asked before an operation is carried out; without it everyone may do everything. */
  readonly authorize?: Access['api'] | undefined;
}

type Handler = (request: ApiRequest, res: Response) => Promise<void> | void;

/** The JSON API as an express app, built from {@link API_OPERATIONS}; errors are problem answers. */
export function createApi(options: ApiOptions): Express {
  const { contract, logger, authorize } = options;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', false);
  const handlers = createHandlers(options);
  for (const { method, path, operationId, needs } of API_OPERATIONS) {
    const admit = (req: Request, _res: Response, next: NextFunction): void => {
      authorize?.(req, needs);
      next();
    };
    const readers = method === 'post' ? [admit, readBody] : [admit];
    const handler = handlers[operationId];
    app[method](expressPath(path), ...readers, async (req: Request, res: Response) => {
      await handler(new ApiRequest(req, res, contract), res);
    });
  }
  for (const [path, methods] of methodsByPath()) {
    app.all(expressPath(path), (req) => {
      throw new HttpError('method_not_allowed', `${path} has no ${req.method}: use ${methods}`, {
        headers: { Allow: methods },
      });
    });
  }
  app.use((req) => {
    throw new HttpError('not_found', `no such resource: ${req.path.slice(0, 200)}`);
  });
  app.use(problemErrors(logger));
  return app;
}

function createHandlers(options: ApiOptions): Readonly<Record<ApiOperationId, Handler>> {
  const { config, blobs, catalog, matrix, logger, clock } = options;
  const images = new ImageReader(blobs);
  const facts = new ReleaseFactsReader({
    catalog,
    images,
    clock,
    updates: config.updates,
    onBroken: ({ repo, tag }, { digest, error }) => {
      logger.warn({ repo, tag, digest, err: error }, 'an image is left out: it cannot be read');
    },
  });
  const poke = () => {
    matrix.poke();
  };
  const ostree = new OstreeFactsReader({ catalog, blobs, clock });
  const base = { catalog, matrix: config.matrix, poke, clock };
  const checks = new CheckService({ ...base, facts, images });
  const ostreeChecks = new OstreeCheckService({ ...base, facts: ostree });
  const savings = { images, ostree, metrics: options.metrics };
  const device = { ...options, checks, ostreeChecks, savings, servers: config };
  const read = { catalog, facts, ostree };
  const tokens = { tokens: catalog.tokens, clock };
  return {
    checkForUpdate: (request, res) => checkForUpdate(device, request, res),
    reportEvents: (request, res) => reportEvents(device, request, res),
    listDeltas: (request, res) => listDeltas(read, request, res),
    listStaticDeltas: (request, res) => listStaticDeltas(catalog, request, res),
    listReleases: (request, res) => listReleases(read, request, res),
    listDevices: (request, res) => listDevices(read, request, res),
    getStatus: (request, res) => getStatus(read, request, res),
    listTokens: (request, res) => listTokens(tokens, request, res),
    createToken: (request, res) => createToken(tokens, request, res),
    revokeToken: (request, res) => revokeToken(tokens, request, res),
    live: (_request, res) => {
      live(res);
    },
    ready: (request, res) => ready(options, request, res),
    metrics: (_request, res) => sendMetrics(options, res),
    contract: (_request, res) => {
      sendContract(options, res);
    },
  };
}

/** Express's own reader answers only once the whole of a body has come, however long it is. */
async function readBody(req: Request, _res: Response, next: NextFunction): Promise<void> {
  req.body = (await readJson({ req })).value;
  next();
}

/** `{name}` of OpenAPI as `:name` of express. */
function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function methodsByPath(): ReadonlyMap<string, string> {
  const methods = new Map<string, string>();
  for (const { path, method } of API_OPERATIONS) {
    const allowed = method === 'get' ? 'GET, HEAD' : method.toUpperCase();
    methods.set(path, methods.has(path) ? `${methods.get(path) ?? ''}, ${allowed}` : allowed);
  }
  return methods;
}
