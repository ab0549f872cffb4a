import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

type Connected = (error: Error | null, stream: Duplex) => void;

/** Counts the bytes of TCP streams, both ways: heads, bodies and TLS; not TCP's and IP's own headers. */
export class WireCounter {
  readonly #open = new Set<Socket>();
  #closedBytes = 0;

  get bytes(): number {
    let bytes = this.#closedBytes;
    for (const socket of this.#open) bytes += bytesOf(socket);
    return bytes;
  }

  watch(socket: Socket): Socket {
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#closedBytes += bytesOf(socket);
    });
    return socket;
  }
}

function bytesOf(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten;
}

/** TLS sessions by host and port. */
export interface SessionStore {
  get(host: string): Buffer | undefined;
  keep(host: string, ticket: Buffer): void;
}

/**
 * Suites offered: what every TLS 1.3 server must have (RFC 8446, 9.1) and a second for it, and the
 * sound ones of TLS 1.2. The default list takes a hundred bytes more in each handshake, and longer digests.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const KEPT = { keepAlive: true, maxSockets: 4 } as const;

/** Connections to http URLs. */
export class CountedHttpAgent extends HttpAgent {
  readonly #wire: WireCounter;

  constructor(wire: WireCounter) {
    super(KEPT);
    this.#wire = wire;
  }

  override createConnection(options: ClientRequestArgs): Duplex {
    return this.#wire.watch(connectTcp(tcpOptions(options)));
  }
}

/** Connections to https URLs: TLS over a TCP stream of our own, for only that one tells all bytes. */
export class CountedHttpsAgent extends HttpsAgent {
  readonly #wire: WireCounter;
  readonly #sessions: SessionStore | undefined;

  constructor(wire: WireCounter, sessions: SessionStore | undefined) {
    super(KEPT);
    this.#wire = wire;
    this.#sessions = sessions;
  }

  override createConnection(options: RequestOptions, connected?: Connected): undefined {
    const socket = this.#wire.watch(connectTcp(tcpOptions(options)));
    const failed = (error: Error): void => connected?.(error, socket);
    socket.once('error', failed);
    socket.once('timeout', () => socket.destroy(new Error('no answer to the connection')));
    socket.once('connect', () => {
      socket.removeListener('error', failed);
      socket.removeAllListeners('timeout');
      socket.setTimeout(0);
      connected?.(null, this.#secure(options, socket));
    });
    return undefined;
  }

  #secure(options: RequestOptions, socket: Socket): Duplex {
    const host = `${options.host ?? ''}:${options.port ?? ''}`;
    const session = this.#sessions?.get(host);
    const secure = connectTls({
      ...options,
      socket,
      ciphers: CIPHERS,
      ...(session === undefined ? {} : { session }),
    } as ConnectionOptions);
    let isVerified = false;
    secure.once('secureConnect', () => (isVerified = true));
    secure.on('session', (ticket: Buffer) => {
      if (isVerified) this.#sessions?.keep(host, ticket);
    });
    return secure;
  }
}

function tcpOptions(options: ClientRequestArgs): TcpNetConnectOpts {
  const { host, port, family, timeout, lookup } = options;
  return {
    host: host ?? 'localhost',
    port: Number(port),
    ...(typeof family === 'number' ? { family } : {}),
    ...(timeout === undefined ? {} : { timeout }),
    ...(lookup === undefined ? {} : { lookup }),
  };
}
