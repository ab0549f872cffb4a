import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Principal } from '../auth/principal.ts';
import type { Metrics } from '../observe/metrics.ts';
import { HttpError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { routeLabel } from './route-label.ts';

/** A request id that a proxy in front may have given; anything else is replaced. */
const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/;
const REQUEST_ID_BYTES = 9;

/** Tells a day's requests of one server apart; every answer carries it, an idle device's too. */
function newId(): string {
  return randomBytes(REQUEST_ID_BYTES).toString('base64url');
}

/** The {@link Exchange} of one `node:http` request. */
export class HttpExchange implements Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: string;
  readonly metrics: Metrics | undefined;
  readonly tier: 'origin' | 'cache';
  path = '/';
  query = new URLSearchParams();
  principal: Principal | undefined;
  route: string | undefined;
  #abort: AbortController | undefined;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    options: {
      readonly metrics?: Metrics | undefined;
      readonly tier?: 'origin' | 'cache' | undefined;
    },
  ) {
    this.req = req;
    this.res = res;
    this.metrics = options.metrics;
    this.tier = options.tier ?? 'origin';
    const asked = req.headers['x-request-id'];
    this.id = typeof asked === 'string' && REQUEST_ID.test(asked) ? asked : newId();
    res.setHeader('X-Request-Id', this.id);
    res.once('close', () => {
      if (!res.writableFinished) this.#controller().abort();
    });
  }

  get address(): string {
    return this.req.socket.remoteAddress ?? '';
  }

  get signal(): AbortSignal {
    return this.#controller().signal;
  }

  /**
   * Splits the request target into path and query. An absolute-form target (RFC 9112, 3.2.2) is
   * reduced to its path, for express as well, and its authority goes over Host. Throws `bad_request` when it does not parse.
   */
  readTarget(): void {
    const target = this.req.url ?? '/';
    const local = target.startsWith('/') ? target : this.#originForm(target);
    const mark = local.indexOf('?');
    this.path = decodePath(mark === -1 ? local : local.slice(0, mark));
    if (mark !== -1) this.query = new URLSearchParams(local.slice(mark + 1));
  }

  /** The label of metrics. */
  routeLabel(): string {
    return routeLabel(this);
  }

  #originForm(target: string): string {
    const url = absoluteForm(target);
    this.req.headers.host = url.host;
    return (this.req.url = url.pathname + url.search);
  }

  /** Made when first asked for: most requests never need it. */
  #controller(): AbortController {
    this.#abort ??= new AbortController();
    return this.#abort;
  }
}

function absoluteForm(target: string): URL {
  if (!URL.canParse(target)) throw new HttpError('bad_request', 'the request target is no path');
  const url = new URL(target);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new HttpError('bad_request', 'the request target is no http URL');
  }
  return url;
}

function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new HttpError('bad_request', 'the path has malformed percent-encoding', { cause });
  }
}
