import express, { type Express, type NextFunction, type Request, type Response } from 'express';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { ServerConfig } from '../config.ts';
import { HttpError, problemErrors } from '../http/errors.ts';
import type { Contract } from '../http/validate.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { ApiRequest } from './api-request.ts';
import { CheckService } from './check.ts';
import { checkForUpdate, reportEvents } from './device-handlers.ts';
import { ReleaseFactsReader } from './facts.ts';
import { ImageReader } from './images.ts';
import { getStatus, listDeltas, listDevices, listReleases } from './matrix-handlers.ts';
import { live, ready, sendContract, sendMetrics } from './operation-handlers.ts';
import { API_OPERATIONS, type ApiOperationId } from './operations.ts';

export interface ApiOptions {
  readonly config: Pick<ServerConfig, 'regions' | 'matrix'>;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** Of `loadContract()`. */
  readonly contract: Contract;
  /** Told when a check put a pair into the matrix. */
  readonly matrix: { poke(): void };
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

type Handler = (request: ApiRequest, res: Response) => Promise<void> | void;

/** The largest body of an API request. */
export const MAX_BODY_BYTES = 256 * 1024;

/** The JSON API as an express app, built from {@link API_OPERATIONS}; errors are problem answers. */
export function createApi(options: ApiOptions): Express {
  const { contract, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', false);
  const handlers = createHandlers(options);
  for (const { method, path, operationId } of API_OPERATIONS) {
    const readers = method === 'post' ? jsonBody() : [];
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
    onBroken: ({ repo, tag }, { digest, error }) => {
      logger.warn({ repo, tag, digest, err: error }, 'an image is left out: it cannot be read');
    },
  });
  const poke = () => {
    matrix.poke();
  };
  const checks = new CheckService({ catalog, facts, images, matrix: config.matrix, poke, clock });
  const device = { ...options, checks, regions: config.regions };
  const read = { catalog, facts };
  return {
    checkForUpdate: (request, res) => checkForUpdate(device, request, res),
    reportEvents: (request, res) => reportEvents(device, request, res),
    listDeltas: (request, res) => listDeltas(read, request, res),
    listReleases: (request, res) => listReleases(read, request, res),
    listDevices: (request, res) => listDevices(read, request, res),
    getStatus: (request, res) => getStatus(read, request, res),
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

/** Refuses any other type before the body is read; then reads it, bounded. */
function jsonBody() {
  const requireJson = (req: Request, _res: Response, next: NextFunction): void => {
    if (req.is('application/json') === false || req.get('content-type') === undefined) {
      throw new HttpError(
        'unsupported_media_type',
        `the body's type is ${JSON.stringify((req.get('content-type') ?? 'missing').slice(0, 100))}: send application/json`,
      );
    }
    next();
  };
  return [
    requireJson,
    express.json({ limit: MAX_BODY_BYTES, inflate: false, type: 'application/json' }),
  ];
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
