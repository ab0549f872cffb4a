import { StorageError } from '../errors.ts';

/** Pulls exact lengths out of a stream of bytes of any segmentation. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>, what: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** Exactly `length` bytes; `corrupt` when the stream ends before. */
  async take(length: number): Promise<Buffer> {
    await this.#fill(length);
    if (this.#held.length < length) throw this.#cutOff();
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  /** The next bytes without taking them: `length` of them, fewer only at the end. */
  async peek(length: number): Promise<Buffer> {
    await this.#fill(length);
    return this.#held.subarray(0, length);
  }

  /** Drops exactly `length` bytes, holding none; `corrupt` when the stream ends before. */
  async skip(length: number): Promise<void> {
    let left = length;
    while (left > 0) {
      const part = await this.next();
      if (part === undefined) throw this.#cutOff();
      if (part.length > left) this.#held = part.subarray(left);
      left -= Math.min(left, part.length);
    }
  }

  /** Whatever comes next, never empty; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    await this.#fill(1);
    if (this.#held.length === 0) return undefined;
    const part = this.#held;
    this.#held = Buffer.alloc(0);
    return part;
  }

  async #fill(length: number): Promise<void> {
    if (this.#held.length >= length) return;
    const parts: Uint8Array[] = this.#held.length > 0 ? [this.#held] : [];
    let size = this.#held.length;
    while (size < length) {
      const next = await this.#source.next();
      if (next.done === true) break;
      parts.push(next.value);
      size += next.value.length;
    }
    // Mostly one part holds all that is asked for.
    const [first, ...more] = parts;
    this.#held =
      first !== undefined && more.length === 0 ? viewOf(first) : Buffer.concat(parts, size);
  }

  #cutOff(): StorageError {
    return new StorageError('corrupt', `${this.#what}: it is cut off`);
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
