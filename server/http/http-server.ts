import type { IncomingMessage, ServerResponse } from 'node:http';

import { errnoOf } from '../../storage/durable.ts';
import { ServerError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { sendError, sendProblem } from './errors.ts';
import type { HotSource } from './hot/hot-answers.ts';
import { HotPath } from './hot/hot-path.ts';
import type { RawRoute } from './exchange.ts';
import { checkRequest } from './check-request.ts';
import { handleRequests } from './handle-requests.ts';
import { HttpExchange } from './http-exchange.ts';
import {
  createWebServer,
  KEEP_ALIVE_MS,
  urlOf,
  type WebServer,
  type WebServerOptions,
} from './web-server.ts';

const GRACE_MS = 10_000;

/** An express app, as plain `node:http` sees it. */
export type NodeApp = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface ListenOptions extends WebServerOptions {
  /** Asked in order, before express. */
  readonly routes: readonly RawRoute[];
  /** Its own 404 and error handlers may be left out: what it passes on is answered here. */
  readonly app?: NodeApp | undefined;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  /** Default of {@link HttpServer.close}. */
  readonly drainMs?: number | undefined;
  /** Default: origin. */
  readonly tier?: 'origin' | 'cache' | undefined;
  /** Small immutable answers that need no route; only where everyone may have them. */
  readonly hot?: HotSource | undefined;
  /** Asked before a hot answer; false leaves the request to the routes. */
  readonly admit?: ((address: string) => boolean) | undefined;
}

/** A server that answers requests. */
export interface HttpServer {
  /** Without a trailing slash. */
  readonly url: string;
  /** Takes no more connections, lets running requests end within `graceMs`, then cuts the rest. */
  close(graceMs?: number): Promise<void>;
}

/** Starts to listen. Throws `ServerError` `listen` when the address can't be had. */
export async function listen(options: ListenOptions): Promise<HttpServer> {
  const server = createWebServer(options);
  const hot = hotPathOf(options);
  hot?.attach(server, options.tls === undefined ? 'connection' : 'secureConnection');
  handleRequests(server, (req, res) => {
    void serve(req, res, options);
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void => {
      reject(cannotListen(options, cause));
    };
    server.once('error', fail);
    server.listen(options.port, options.host, () => {
      server.off('error', fail);
      resolve();
    });
  });
  const url = urlOf(server, options.tls === undefined ? 'http' : 'https');
  return { url, close: (graceMs = options.drainMs ?? GRACE_MS) => drain(server, hot, graceMs) };
}

function hotPathOf(options: ListenOptions): HotPath | undefined {
  const { hot: source, admit, logger, metrics, tier = 'origin' } = options;
  if (source === undefined) return undefined;
  return new HotPath({ source, admit, logger, metrics, tier, keepAliveMs: KEEP_ALIVE_MS });
}

function cannotListen({ host, port }: ListenOptions, cause: Error): ServerError {
  const why = errnoOf(cause) === 'EADDRINUSE' ? 'another program has that address' : cause.message;
  return new ServerError(
    'listen',
    `cannot listen on ${host}:${port}: ${why}; choose another with --listen (port 0 takes a free one)`,
    { cause },
  );
}

/** Answers one request; never rejects. */
async function serve(
  req: IncomingMessage,
  res: ServerResponse,
  options: ListenOptions,
): Promise<void> {
  const { logger, metrics } = options;
  const x = new HttpExchange(req, res, options);
  const stopTimer = metrics?.httpSeconds.startTimer();
  res.once('close', () => {
    const route = x.routeLabel();
    metrics?.httpRequests.inc({ route, status: res.headersSent ? res.statusCode : 499 });
    stopTimer?.({ route });
    logger.debug(
      { requestId: x.id, method: req.method, path: x.path, route, status: res.statusCode },
      'answered',
    );
  });
  try {
    checkRequest(req);
    x.readTarget();
    for (const route of options.routes) {
      if (await route(x)) return;
    }
    if (options.app !== undefined) passToApp(x, options.app, logger);
    else notFound(x);
  } catch (error) {
    fail(x, error, logger);
  }
}

function passToApp(x: HttpExchange, app: NodeApp, logger: Logger): void {
  app(x.req, x.res, (error: unknown) => {
    if (error === undefined || error === null) notFound(x);
    else fail(x, error, logger);
  });
}

function notFound(x: HttpExchange): void {
  sendProblem(x.res, {
    status: 404,
    code: 'not_found',
    detail: `nothing answers ${x.req.method ?? ''} here`,
  });
}

/** Once an answer has begun its only honest end is a broken connection. */
function fail(x: HttpExchange, error: unknown, logger: Logger): void {
  if (x.res.destroyed || x.signal.aborted) return;
  if (!x.res.headersSent) {
    sendError(x.res, error, logger);
    return;
  }
  logger.error({ err: error, requestId: x.id }, 'answer broken off');
  x.res.destroy();
}

async function drain(server: WebServer, hot: HotPath | undefined, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  hot?.drain();
  // A connection that was busy when the server closed turns idle later, and would be kept alive.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    hot?.drain();
  }, 50);
  const cut = setTimeout(() => {
    server.closeAllConnections();
    hot?.cut();
  }, graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
  hot?.close();
}
