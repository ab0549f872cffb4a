import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

import { errnoOf } from '../../storage/durable.ts';

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

/** What a handshake left for the next one. */
export interface KeptSession {
  readonly ticket: Buffer;
  readonly isTls13: boolean;
}

/** TLS sessions by host and port. */
export interface SessionStore {
  get(host: string): KeptSession | undefined;
  keep(host: string, session: KeptSession): void;
  forget(host: string): void;
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

/** The first is what a key is sent for; others cost an answer more. */
const GROUPS = 'X25519:P-256:P-384';

/** Signatures that certificates of our days have; the default list names twice as many. */
const SIGNATURES = [
  'ecdsa_secp256r1_sha256',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
  'ed25519',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'rsa_pkcs1_sha384',
  'ecdsa_secp521r1_sha512',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha512',
].join(':');

/** What Node calls a handshake that TLS itself has ended, as against the network. */
const TLS_FAULT = /^(EPROTO$|ERR_SSL_)/;

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
      ecdhCurve: GROUPS,
      sigalgs: SIGNATURES,
      ...(session === undefined ? {} : { session: session.ticket }),
      // What only TLS 1.2 needs is a tenth of the greeting.
      ...(session?.isTls13 === true ? { minVersion: 'TLSv1.3' } : {}),
    } as ConnectionOptions);
    let isVerified = false;
    secure.once('secureConnect', () => (isVerified = true));
    secure.once('error', (error) => {
      // A server that knows TLS 1.3 no longer: the next greeting offers all again.
      if (!isVerified && TLS_FAULT.test(errnoOf(error) ?? '')) {
        this.#sessions?.forget(host);
      }
    });
    secure.on('session', (ticket: Buffer) => {
      const isTls13 = secure.getProtocol() === 'TLSv1.3';
      if (isVerified) this.#sessions?.keep(host, { ticket, isTls13 });
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
