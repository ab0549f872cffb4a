import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { WebServer } from '../web-server.ts';
import { HotAnswers, type HotSource } from './hot-answers.ts';
import { HotConnection } from './hot-connection.ts';
import type { ReadyAnswer } from './ready-answer.ts';

export interface HotPathOptions {
  readonly source: HotSource;
  /** Idle connections are kept for so long. */
  readonly keepAliveMs: number;
  /** False leaves a request from that address to the routes, which refuse it. */
  readonly admit?: ((address: string) => boolean) | undefined;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  readonly tier: 'origin' | 'cache';
}

/**
 * The shortest way for small immutable answers: sockets are read before `node:http` sees them, a
 * plain GET of something hot is one read and one write. All else goes on to `node:http` unchanged.
 */
export class HotPath {
  readonly keepAliveMs: number;
  readonly #options: HotPathOptions;
  readonly #answers: HotAnswers;
  readonly #connections = new Set<HotConnection>();
  readonly #idPrefix = randomBytes(8).toString('hex');
  #requests = 0;
  #draining = false;
  #tick: Tick | undefined;

  constructor(options: HotPathOptions) {
    this.#options = options;
    this.keepAliveMs = options.keepAliveMs;
    this.#answers = new HotAnswers(options.source, options.keepAliveMs);
  }

  /** Puts itself before the server's own handling of connections. */
  attach(server: WebServer, event: 'connection' | 'secureConnection'): void {
    const native = server.listeners(event) as ((socket: Socket) => void)[];
    server.removeAllListeners(event);
    server.on(event, (socket: Socket) => {
      const handOn = (): void => {
        for (const listener of native) listener.call(server, socket);
      };
      this.#connections.add(new HotConnection(this, socket, handOn));
    });
  }

  /** From now on every request goes to `node:http`, which says that the connection ends. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.drain();
  }

  /** Breaks off what is still under way. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  get draining(): boolean {
    return this.#draining;
  }

  forget(connection: HotConnection): void {
    this.#connections.delete(connection);
  }

  admits(address: string): boolean {
    return !this.#draining && (this.#options.admit?.(address) ?? true);
  }

  /** The answer; `unknown` when it has to be loaded, `cold` when the routes are to answer. */
  find(path: string): ReadyAnswer | 'unknown' | 'cold' {
    const { epoch } = this.#now();
    if (epoch === undefined || this.#answers.isCold(path)) return 'cold';
    return this.#answers.get(path, epoch) ?? 'unknown';
  }

  load(path: string): Promise<ReadyAnswer | undefined> {
    return this.#answers.load(path);
  }

  /** The bytes to send for one request, which is counted and logged. */
  stamp(answer: ReadyAnswer, path: string): Buffer {
    const tick = this.#now();
    this.#requests += 1;
    const id = `${this.#idPrefix}-${this.#requests.toString(16).padStart(12, '0')}`;
    tick.count(answer);
    const { logger } = this.#options;
    if (logger.isLevelEnabled('debug')) {
      const { route } = answer;
      logger.debug({ requestId: id, method: 'GET', url: path, route, status: 200 }, 'answered');
    }
    return answer.stamp(id, tick.date);
  }

  /**
   * What holds for this turn of the event loop. The requests of one turn were sent before it began,
   * so none of them can know of a removal that the epoch read in it does not.
   */
  #now(): Tick {
    if (this.#tick !== undefined) return this.#tick;
    const tick = new Tick(this.#options.source.epoch());
    this.#tick = tick;
    setImmediate(() => {
      this.#tick = undefined;
      this.#report(tick);
    });
    return tick;
  }

  #report(tick: Tick): void {
    const { metrics, tier } = this.#options;
    for (const [route, { requests, bytes }] of tick.counts) {
      metrics?.httpRequests.inc({ route, status: 200 }, requests);
      metrics?.bytesServed.inc({ tier, kind: 'whole' }, bytes);
    }
  }
}

/** One turn of the event loop. */
class Tick {
  readonly epoch: number | undefined;
  readonly date = new Date().toUTCString();
  readonly counts = new Map<string, { requests: number; bytes: number }>();

  constructor(epoch: number | undefined) {
    this.epoch = epoch;
  }

  count({ route, bodyBytes }: ReadyAnswer): void {
    let count = this.counts.get(route);
    if (count === undefined) {
      count = { requests: 0, bytes: 0 };
      this.counts.set(route, count);
    }
    count.requests += 1;
    count.bytes += bodyBytes;
  }
}
