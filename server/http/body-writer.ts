import type { ServerResponse } from 'node:http';

import type { ByteRange } from '../../storage/object-store.ts';

/** Bytes at positions; reads up to `length` of them into `target` at `at`, at least one. */
export interface PositionalReader {
  read(target: Buffer, at: number, length: number, position: number): Promise<number>;
}

/** The client left before it had everything: normal, not a fault. */
export class ClientGone extends Error {
  constructor() {
    super('the client left');
    this.name = 'ClientGone';
  }
}

/**
 * Writes an answer's body through one buffer: what is read waits until the socket has taken it, so
 * a slow reader never costs more than `capacity` bytes. Throws {@link ClientGone} when it leaves.
 */
export class BodyWriter {
  readonly #res: ServerResponse;
  readonly #buffer: Buffer;
  #fill = 0;
  #sent = 0;
  #gone: (() => void) | undefined;

  constructor(res: ServerResponse, capacity: number) {
    this.#res = res;
    this.#buffer = Buffer.allocUnsafe(capacity);
    res.once('close', () => this.#gone?.());
  }

  /** Bytes handed to the socket so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Text shorter than the capacity. */
  async text(text: string): Promise<void> {
    if (this.#fill + text.length > this.#buffer.length) await this.#flush();
    this.#fill += this.#buffer.write(text, this.#fill, 'latin1');
  }

  /** Bytes that {@link put} takes now, at least one: waits for the socket while there is no room. */
  async room(): Promise<number> {
    if (this.#fill === this.#buffer.length) await this.#flush();
    return this.#buffer.length - this.#fill;
  }

  /** Copies bytes for which there is {@link room}: whose they are, need not wait for the socket. */
  put(bytes: Buffer): void {
    this.#fill += bytes.copy(this.#buffer, this.#fill);
  }

  /** One read at a position, of at most `length` bytes, straight into the buffer; returns how many came. */
  async some(file: PositionalReader, position: number, length: number): Promise<number> {
    const room = Math.min(await this.room(), length);
    const count = await file.read(this.#buffer, this.#fill, room, position);
    this.#fill += count;
    return count;
  }

  /** A range of a file, read straight into the buffer. */
  async file(file: PositionalReader, range: ByteRange): Promise<void> {
    let position = range.start;
    while (position < range.endExclusive) {
      position += await this.some(file, position, range.endExclusive - position);
    }
  }

  /** Bytes in memory; more than fit go out at once, uncopied. */
  async bytes(bytes: Buffer): Promise<void> {
    if (this.#fill + bytes.length <= this.#buffer.length) {
      this.#fill += bytes.copy(this.#buffer, this.#fill);
      return;
    }
    await this.#flush();
    await this.#write(bytes);
  }

  /** Sends what is left and ends the answer. */
  end(): void {
    this.#sent += this.#fill;
    this.#res.end(this.#buffer.subarray(0, this.#fill));
  }

  async #flush(): Promise<void> {
    if (this.#fill === 0) return;
    await this.#write(this.#buffer.subarray(0, this.#fill));
    this.#fill = 0;
  }

  async #write(bytes: Buffer): Promise<void> {
    const res = this.#res;
    await new Promise<void>((resolve, reject) => {
      const gone = (): void => {
        reject(new ClientGone());
      };
      this.#gone = gone;
      if (res.destroyed) gone();
      else {
        res.write(bytes, (error) => {
          if (error) gone();
          else resolve();
        });
      }
    });
    this.#gone = undefined;
    this.#sent += bytes.length;
  }
}
