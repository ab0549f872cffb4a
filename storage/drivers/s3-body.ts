import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

import { abortedError } from '../durable.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange } from '../object-store.ts';
import { pause, pauseBefore } from '../retry.ts';
import type { S3Connection } from './s3-connection.ts';
import { fromS3Failure } from './s3-errors.ts';

/** Breaks in a row, without a byte between them, after which a body is given up. */
const MAX_BREAKS = 4;

export interface S3BodyOptions {
  /** The bytes of the object that the body is. */
  readonly range: ByteRange;
  /** For messages. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  readonly retrying: S3Connection['retrying'];
  /** Asks for the rest of the very same object; rejects when it is another one by now. */
  readonly reopen: (rest: ByteRange) => Promise<IncomingMessage>;
}

/**
 * The body of an answer as a stream whose faults are `StorageError`s and whose length is checked. When
 * the connection breaks, falls silent or ends early, the rest is asked for by range.
 */
export class S3Body extends Readable {
  readonly #options: S3BodyOptions;
  #response: IncomingMessage;
  #position: number;
  #breaks = 0;
  #wanted = false;

  constructor(response: IncomingMessage, options: S3BodyOptions) {
    super({ highWaterMark: 256 * 1024 });
    this.#options = options;
    this.#position = options.range.start;
    this.#response = response;
    this.#attach(response);
  }

  override _read(): void {
    this.#wanted = true;
    this.#response.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#response.destroy();
    done(error);
  }

  get #left(): number {
    return this.#options.range.endExclusive - this.#position;
  }

  #attach(response: IncomingMessage): void {
    this.#response = response;
    let over = false;
    response.on('data', (bytes: Buffer) => {
      this.#position += bytes.length;
      if (bytes.length > 0) this.#breaks = 0;
      if (this.#left < 0) {
        over = true;
        const { what } = this.#options;
        this.destroy(new StorageError('unavailable', `${what}: the answer is too long`));
      } else if (!this.push(bytes)) {
        this.#wanted = false;
        response.pause();
      }
    });
    response.on('end', () => {
      if (over) return;
      over = true;
      if (this.#left === 0) this.push(null);
      else this.#broken(this.#early());
    });
    response.on('error', (error) => {
      if (over) return;
      over = true;
      if (this.#left === 0) this.push(null);
      else this.#broken(error);
    });
    if (this.#wanted) response.resume();
    else response.pause();
  }

  #broken(reason: Error): void {
    const { what, signal } = this.#options;
    const error =
      signal?.aborted === true ? abortedError(signal, what) : fromS3Failure(reason, what);
    this.#resume(error).catch((failure: unknown) => {
      this.destroy(fromS3Failure(failure, what));
    });
  }

  /** Goes on where the bytes ended; throws `error` when nothing more should be tried. */
  async #resume(error: StorageError): Promise<void> {
    const { range, retrying, signal, reopen } = this.#options;
    if (this.#isGone()) return;
    this.#breaks += 1;
    const pauseMs = pauseBefore(error, this.#breaks, retrying);
    if (pauseMs === undefined || this.#breaks > MAX_BREAKS || !retrying.budget.take()) throw error;
    await pause(pauseMs, signal);
    if (this.#isGone()) return;
    const response = await reopen({ start: this.#position, endExclusive: range.endExclusive });
    // While it was asked for, the reader may have left.
    if (this.#isGone()) response.destroy();
    else this.#attach(response);
  }

  /** The reader has left. */
  #isGone(): boolean {
    return this.destroyed;
  }

  #early(): StorageError {
    const { what } = this.#options;
    return new StorageError('unavailable', `${what}: the answer ended ${this.#left} bytes early`);
  }
}
