import type { RandomAccess } from '../../storage/random-access.ts';

const WINDOW_BYTES = 128 * 1024;

/** Many short reads that mostly move forward: one window is held. */
export class WindowReader {
  readonly #source: RandomAccess;
  #start = 0;
  #window: Buffer = Buffer.alloc(0);

  constructor(source: RandomAccess) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size;
  }

  /** A view of the bytes, valid until the next read; undefined when they are not all there. */
  async tryRead(offset: number, length: number): Promise<Buffer | undefined> {
    if (!Number.isSafeInteger(offset + length) || offset + length > this.size) return undefined;
    if (offset < this.#start || offset + length > this.#start + this.#window.length) {
      const bytes = Math.min(Math.max(length, WINDOW_BYTES), this.size - offset);
      this.#window = await this.#source.read(offset, bytes);
      this.#start = offset;
    }
    return this.#window.subarray(offset - this.#start, offset - this.#start + length);
  }
}
