import type { Socket } from 'node:net';

import type { HotAnswer, Reply } from './hot-answer.ts';
import { MAX_PLAIN_BYTES, type PlainRequest, type PlainRequests } from './plain-request.ts';

/** What the connections of one server share. */
export interface HotDesk {
  /** Idle connections are kept for so long. */
  readonly keepAliveMs: number;
  readonly requests: PlainRequests;
  /** True once the server is about to close: all requests are then for the routes. */
  readonly draining: boolean;
  /** Counts a request that is about to be answered; false when it is one too many. */
  admits(socket: Socket): boolean;
  /** The answer; `unknown` when it has to be loaded, `cold` when the routes are to answer. */
  find(key: string): HotAnswer | 'unknown' | 'cold';
  /** Undefined when the routes are to answer. */
  load(request: PlainRequest): Promise<HotAnswer | undefined>;
  /** What to send for a request, counted and logged; undefined when the routes are to answer. */
  reply(answer: HotAnswer, request: PlainRequest): Reply | undefined;
  /** Told when the connection has ended or was handed on. */
  forget(connection: HotConnection): void;
}

/**
 * A connection before `node:http` has it: plain requests for what is hot are answered at once. With
 * the first request that is anything else the connection is handed on, that request included, and
 * never comes back.
 */
export class HotConnection {
  readonly #desk: HotDesk;
  readonly #socket: Socket;
  readonly #handOn: () => void;
  #busy = false;
  /** The client has said all it has to say. */
  #ended = false;

  /** `handOn` gives the socket to `node:http`. */
  constructor(desk: HotDesk, socket: Socket, handOn: () => void) {
    this.#desk = desk;
    this.#socket = socket;
    this.#handOn = handOn;
    socket.setNoDelay(true);
    socket.setTimeout(desk.keepAliveMs, this.#onTimeout);
    socket.on('data', this.#onData).on('end', this.#onEnd);
    socket.on('error', this.#onError).on('close', this.#onClose);
  }

  /** Ends the connection if nothing is under way on it; what is, ends as soon as it is done. */
  drain(): void {
    if (!this.#busy && this.#socket.writableLength === 0) this.#socket.end();
  }

  cut(): void {
    this.#socket.destroy();
  }

  readonly #onData = (bytes: Buffer): void => {
    const head = bytes.length <= MAX_PLAIN_BYTES ? bytes.toString('latin1') : '';
    const request = this.#desk.requests.read(head);
    if (request === undefined || this.#desk.draining) {
      this.#giveUp(bytes);
      return;
    }
    const answer = this.#desk.find(request.key);
    if (answer === 'cold') this.#giveUp(bytes);
    else if (answer === 'unknown') void this.#load(request, bytes);
    else this.#send(answer, request, bytes);
  };

  async #load(request: PlainRequest, bytes: Buffer): Promise<void> {
    this.#busy = true;
    this.#socket.pause();
    const answer = await this.#desk.load(request);
    this.#busy = false;
    if (this.#socket.destroyed) return;
    if (answer === undefined || this.#desk.draining) {
      this.#giveUp(bytes);
      return;
    }
    this.#socket.resume();
    this.#send(answer, request, bytes);
  }

  #send(answer: HotAnswer, request: PlainRequest, asked: Buffer): void {
    const admitted = this.#desk.admits(this.#socket);
    const reply = admitted ? this.#desk.reply(answer, request) : undefined;
    if (reply === undefined) {
      this.#giveUp(asked);
      return;
    }
    const socket = this.#socket;
    const took = socket.write(reply.bytes);
    // Bytes that the kernel did not take at once stay with the socket.
    if (socket.writableLength > 0) answer.giveAway();
    if (this.#ended) socket.end();
    if (took) return;
    socket.pause();
    socket.once('drain', () => {
      socket.resume();
    });
  }

  #giveUp(bytes: Buffer): void {
    const socket = this.#socket;
    this.#release();
    // Paused until the next listener is there: bytes that are put back would flow past nobody.
    socket.pause();
    if (!this.#ended) socket.unshift(bytes);
    this.#handOn();
    // Nothing can be put back into a stream that has ended: its listener gets it from here.
    if (this.#ended) socket.emit('data', withClose(bytes));
    else socket.resume();
  }

  #release(): void {
    const socket = this.#socket;
    this.#desk.forget(this);
    socket.setTimeout(0);
    socket.off('timeout', this.#onTimeout).off('data', this.#onData).off('end', this.#onEnd);
    socket.off('error', this.#onError).off('close', this.#onClose);
  }

  readonly #onTimeout = (): void => {
    this.#socket.destroy();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    if (!this.#busy) this.#socket.end();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#desk.forget(this);
  };
}

/** A plain request that says in words what the end of its connection has said: `node:http` missed it. */
function withClose(head: Buffer): Buffer {
  return Buffer.concat([head.subarray(0, -2), Buffer.from('Connection: close\r\n\r\n')]);
}
