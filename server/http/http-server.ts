import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { errnoOf } from '../../storage/durable.ts';
import { ServerError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { sendError, sendProblem } from './errors.ts';
import type { HotSource } from './hot/hot-answers.ts';
import { HotPath } from './hot/hot-path.ts';
import type { RawRoute } from './exchange.ts';
import { refuseMalformed } from './malformed.ts';
import { boundUnreadBody } from './unread-body.ts';
import { HttpExchange } from './http-exchange.ts';

/** Range headers of 1,024 ranges are longer than Node's default of 16 KiB. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Longer than proxies keep their idle connections, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
/** A connection on which no byte moves for so long is dead. Whole requests have no deadline. */
const IDLE_MS = 600_000;
const GRACE_MS = 10_000;

/** An express app, as plain `node:http` sees it. */
export type NodeApp = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface ListenOptions {
  /** Asked in order, before express. */
  readonly routes: readonly RawRoute[];
  /** Its own 404 and error handlers may be left out: what it passes on is answered here. */
  readonly app?: NodeApp | undefined;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
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
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    noDelay: true,
  });
  server.timeout = IDLE_MS;
  server.on('clientError', refuseMalformed);
  const hot = hotPathOf(options);
  hot?.attach(server, 'connection');
  server.on('request', (req, res) => {
    if (!server.listening) res.setHeader('Connection', 'close');
    boundUnreadBody(req, res);
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
  return { url: urlOf(server), close: (graceMs = GRACE_MS) => drain(server, hot, graceMs) };
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

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
  const { address: host, family, port }: AddressInfo = address;
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`;
}

/** Answers one request; never rejects. */
async function serve(
  req: IncomingMessage,
  res: ServerResponse,
  options: ListenOptions,
): Promise<void> {
  const { logger, metrics } = options;
  const x = new HttpExchange(req, res, options);
  res.once('close', () => {
    const route = x.routeLabel();
    metrics?.httpRequests.inc({ route, status: res.headersSent ? res.statusCode : 499 });
    logger.debug(
      { requestId: x.id, method: req.method, url: req.url, route, status: res.statusCode },
      'answered',
    );
  });
  try {
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

async function drain(server: Server, hot: HotPath | undefined, graceMs: number): Promise<void> {
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
}
