import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { WebServer } from '../web-server.ts';
import { HotAnswers, type HotSource } from './hot-answers.ts';
import type { HotAnswer, Reply } from './hot-answer.ts';
import { HotConnection, type HotDesk } from './hot-connection.ts';
import { PlainRequests, type PlainRequest } from './plain-request.ts';
import { Tick } from './tick.ts';

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
export class HotPath implements HotDesk {
  readonly keepAliveMs: number;
  readonly requests = new PlainRequests();
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

  /** Lets go of what is open, once the server has closed. */
  close(): void {
    this.#answers.close();
  }

  get draining(): boolean {
    return this.#draining;
  }

  forget(connection: HotConnection): void {
    this.#connections.delete(connection);
  }

  admits(socket: Socket): boolean {
    const { admit } = this.#options;
    return admit === undefined || admit(socket.remoteAddress ?? '');
  }

  find(key: string): HotAnswer | 'unknown' | 'cold' {
    const { epoch } = this.#now();
    if (epoch === undefined) return 'cold';
    return this.#answers.get(key, epoch) ?? (this.#answers.isCold(key) ? 'cold' : 'unknown');
  }

  load(request: PlainRequest): Promise<HotAnswer | undefined> {
    return this.#answers.load(request);
  }

  reply(answer: HotAnswer, { range, target }: PlainRequest): Reply | undefined {
    const tick = this.#now();
    const id = `${this.#idPrefix}-${(this.#requests + 1).toString(16).padStart(12, '0')}`;
    const reply = answer.reply(range, id, tick.date);
    if (reply === undefined) return undefined;
    this.#requests += 1;
    const { route } = answer;
    const kind = range === undefined ? 'whole' : 'range';
    tick.count(route, kind, reply.bodyBytes);
    if (tick.isLogged) {
      const status = kind === 'whole' ? 200 : 206;
      const { logger } = this.#options;
      logger.debug({ requestId: id, method: 'GET', url: target, route, status }, 'answered');
    }
    return reply;
  }

  /**
   * What holds for this turn of the event loop. The requests of one turn were sent before it began,
   * so none of them can know of a removal that the epoch read in it does not.
   */
  #now(): Tick {
    if (this.#tick !== undefined) return this.#tick;
    const { source, logger, metrics, tier } = this.#options;
    const tick = new Tick(source.epoch(), logger.isLevelEnabled('debug'));
    this.#tick = tick;
    setImmediate(() => {
      this.#tick = undefined;
      if (metrics !== undefined) tick.report(metrics, tier);
    });
    return tick;
  }
}
