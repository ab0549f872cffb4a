import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

import { abortedError } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { fromS3Failure } from './s3-errors.ts';

/** The body of an answer as a stream whose faults are `StorageError`s and whose length is checked. */
export class S3Body extends Readable {
  readonly #response: IncomingMessage;
  readonly #signal: AbortSignal | undefined;
  readonly #what: string;
  #left: number;

  constructor(
    response: IncomingMessage,
    length: number,
    what: string,
    signal: AbortSignal | undefined,
  ) {
    super({ highWaterMark: 256 * 1024 });
    this.#response = response;
    this.#left = length;
    this.#what = what;
    this.#signal = signal;
    response.on('data', (bytes: Buffer) => {
      this.#left -= bytes.length;
      if (!this.push(bytes)) response.pause();
    });
    response.on('end', () => {
      if (this.#left === 0) this.push(null);
      else
        this.destroy(
          new StorageError('unavailable', `${what}: the answer ended ${this.#left} bytes early`),
        );
    });
    response.on('error', (error) => {
      this.destroy(this.#failure(error));
    });
    response.pause();
  }

  override _read(): void {
    this.#response.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#response.destroy();
    done(error);
  }

  #failure(error: Error): StorageError {
    if (this.#signal?.aborted === true) return abortedError(this.#signal, this.#what);
    return fromS3Failure(error, this.#what);
  }
}
