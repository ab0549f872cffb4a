import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import type { TlsMaterial } from './tls.ts';

/** Range headers of 1,024 ranges are longer than Node's default of 16 KiB. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Idle connections are kept longer than proxies keep theirs, so that they close first. */
export const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
/** How often it is looked for connections that are late. */
const CHECK_MS = 30_000;
/** A connection on which no byte moves for so long is dead. Whole requests have no deadline. */
const IDLE_MS = 600_000;

/** A server of `node:http` or `node:https`. */
export type WebServer = Server | SecureServer;

export interface WebServerOptions {
  /** How long a request's head may take; default a minute. */
  readonly headersMs?: number | undefined;
  /** Speaks TLS when given, and follows the files behind it. */
  readonly tls?: TlsMaterial | undefined;
}

/** A server with the limits that all of ours have; it does not listen yet. */
export function createWebServer({ headersMs = HEADERS_MS, tls }: WebServerOptions): WebServer {
  const limits: ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.min(headersMs, CHECK_MS),
    requestTimeout: 0,
    noDelay: true,
    // Refused by checkRequest(), as a problem.
    requireHostHeader: false,
  };
  const server = tls === undefined ? createServer(limits) : secureServer(limits, tls);
  server.timeout = IDLE_MS;
  // All of a head counts, and no more than MAX_HEADER_BYTES of it come: none is dropped unseen.
  server.maxHeadersCount = 0;
  // A client that has said all it has to say may still listen (RFC 9112, 9.6); Node would hang up.
  Object.assign(server, { httpAllowHalfOpen: true });
  return server;
}

function secureServer(limits: ServerOptions, tls: TlsMaterial): SecureServer {
  const server = createSecureServer({ ...limits, ...tls.options });
  tls.watch(server);
  server.once('close', () => {
    tls.close();
  });
  return server;
}

/** Of a server that listens; without a trailing slash. */
export function urlOf(server: WebServer, scheme: 'http' | 'https'): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
  const { address: host, family, port }: AddressInfo = address;
  return `${scheme}://${family === 'IPv6' ? `[${host}]` : host}:${port}`;
}
