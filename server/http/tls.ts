import { randomBytes } from 'node:crypto';
import type { Server, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Clock } from '../../storage/clock.ts';
import type { TlsConfig } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { identifyTlsFiles, readTlsFiles, type TlsFiles } from './tls-files.ts';

/** How often the files are looked at. */
const POLL_MS = 5000;
/** Tickets of a client outlive no longer than this what its handshake has verified. */
const TICKET_KEY_MS = 3_600_000;
/** Where no client is verified: a device that asks once an hour takes its session up again all day. */
const OPEN_TICKET_KEY_MS = 24 * 3_600_000;
const TICKET_KEY_BYTES = 48;
const HANDSHAKE_MS = 30_000;
/** Lies in every ticket, and so in every greeting of a device: Node's own is 31 bytes longer. Ticket keys are random, so no other server's tickets fit. */
const SESSION_CONTEXT = 'r';

export interface TlsOptions {
  readonly logger: Logger;
  readonly metrics?: Pick<Metrics, 'tlsCertExpiry'> | undefined;
  readonly pollMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** A server's certificate and key, kept up with their files. */
export interface TlsMaterial {
  /** For `https.createServer`. An untrusted client certificate ends no handshake: it is told. */
  readonly options: ServerOptions;
  /** When the certificate in use runs out, in ms since 1970. */
  readonly notAfterMs: number;
  /** Client certificates are asked for. */
  readonly asksClients: boolean;
  /** Lets the server follow the files, and later changes; call before it listens. */
  watch(server: Server): void;
  /**
   * False for a connection that was made before a client authority was removed: what its handshake
   * verified no longer counts.
   */
  isCurrent(socket: TLSSocket): boolean;
  /** Ends the watching. */
  close(): void;
}

/** Reads certificate and key. Throws `ServerError` `config` that names the file and its fault. */
export async function openTls(config: TlsConfig, options: TlsOptions): Promise<TlsMaterial> {
  const identity = await identifyTlsFiles(config);
  return new WatchedTls(config, options, identity, await readTlsFiles(config));
}

class WatchedTls implements TlsMaterial {
  readonly #config: TlsConfig;
  readonly #tuning: TlsOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #identity: string;
  #files: TlsFiles;
  #server: Server | undefined;
  #looking = false;
  /** Counts removals of client authorities. */
  #era = 0;
  /** The era in which each connection was accepted; only kept while certificates are asked for. */
  readonly #accepted = new Map<string, { readonly era: number }>();

  constructor(config: TlsConfig, tuning: TlsOptions, identity: string, files: TlsFiles) {
    this.#config = config;
    this.#tuning = tuning;
    this.#identity = identity;
    this.#files = files;
    this.#tellExpiry();
  }

  get options(): ServerOptions {
    return {
      ...this.#context(),
      requestCert: this.asksClients,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_MS,
      sessionIdContext: SESSION_CONTEXT,
      ...(this.asksClients ? {} : { sessionTimeout: OPEN_TICKET_KEY_MS / 1000 }),
    };
  }

  get notAfterMs(): number {
    return this.#files.notAfterMs;
  }

  get asksClients(): boolean {
    return this.#config.clientCa !== undefined;
  }

  watch(server: Server): void {
    this.#server = server;
    // Processes of one cluster share the ticket keys that the first of them began with: one that
    // starts after a change would take up sessions that were verified before it.
    if (this.asksClients) {
      server.once('listening', () => {
        this.#renewTicketKeys();
      });
      this.#followConnections(server);
    }
    const look = (): void => void this.#look();
    const renew = (): void => {
      this.#renewTicketKeys();
    };
    this.#timers.push(
      setInterval(look, this.#tuning.pollMs ?? POLL_MS).unref(),
      setInterval(renew, this.asksClients ? TICKET_KEY_MS : OPEN_TICKET_KEY_MS).unref(),
    );
  }

  isCurrent(socket: TLSSocket): boolean {
    return !this.asksClients || this.#accepted.get(endpointOf(socket))?.era === this.#era;
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server = undefined;
  }

  /** Looks at the files; never rejects. A fault is told once for each state of the files. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const identity = await identifyTlsFiles(this.#config);
      if (identity === this.#identity) return;
      this.#identity = identity;
      this.#replace(await readTlsFiles(this.#config));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#tuning.logger.error({ why }, 'the new TLS files are not used: the old ones stay');
    } finally {
      this.#looking = false;
    }
  }

  /** Running connections go on; new ones meet the new files. */
  #replace(files: TlsFiles): void {
    const server = this.#server;
    if (server === undefined) return;
    const before = this.#files;
    this.#files = files;
    try {
      server.setSecureContext(this.#context());
    } catch (error) {
      this.#files = before;
      throw error;
    }
    this.#renewTicketKeys();
    // What the others verified still holds when one is added.
    if ([...before.authorities].some((authority) => !files.authorities.has(authority))) {
      this.#era += 1;
      // Busy ones end after their answer (`auth/certificates.ts`).
      server.closeIdleConnections();
    }
    this.#tellExpiry();
    const notAfter = new Date(files.notAfterMs).toISOString();
    this.#tuning.logger.info({ notAfter }, 'the TLS files were read again');
  }

  #context(): Pick<ServerOptions, 'cert' | 'key' | 'ca' | 'minVersion'> {
    const { cert, key, clientCa } = this.#files;
    return { cert, key, minVersion: 'TLSv1.2', ...(clientCa !== undefined && { ca: clientCa }) };
  }

  /** A session that was made before cannot be taken up: its certificate is verified again. */
  #renewTicketKeys(): void {
    this.#server?.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
  }

  #followConnections(server: Server): void {
    // After the TLS socket was made, in the same turn: so under the context of this era.
    server.on('connection', (socket: Socket) => {
      const endpoint = endpointOf(socket);
      const entry = { era: this.#era };
      this.#accepted.set(endpoint, entry);
      socket.once('close', () => {
        if (this.#accepted.get(endpoint) === entry) this.#accepted.delete(endpoint);
      });
    });
    server.on('secureConnection', (socket) => {
      if (!this.isCurrent(socket)) socket.destroy();
    });
  }

  #tellExpiry(): void {
    const { logger, metrics, clock = Date.now } = this.#tuning;
    const { notAfterMs } = this.#files;
    metrics?.tlsCertExpiry.set(Math.floor(notAfterMs / 1000));
    if (notAfterMs > clock()) return;
    const { cert } = this.#config;
    const notAfter = new Date(notAfterMs).toISOString();
    logger.warn({ cert, notAfter }, 'the TLS certificate has expired: clients will refuse it');
  }
}

/** What tells a connection apart while it lasts; the same of a TLS socket and the one below it. */
function endpointOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''}`;
}
