import { StorageError } from '../errors.ts';

/**
 * Pulls exact lengths out of a stream of bytes of any segmentation. What it hands out may share memory with
 * what the source gave, which must not be written again.
 */
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
    const parts: Buffer[] = [];
    // What was read is copied only where a piece of it ends inside of what is taken.
    for (let left = length; left > 0;) {
      const part = await this.next();
      if (part === undefined) throw this.#cutOff();
      const taken = part.subarray(0, left);
      this.#held = part.subarray(taken.length);
      left -= taken.length;
      parts.push(taken);
    }
    return joined(parts, length);
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
    const parts: Uint8Array[] = this.#held.length === 0 ? [] : [this.#held];
    let size = this.#held.length;
    while (size < length) {
      const next = await this.#source.next();
      if (next.done === true) break;
      if (next.value.length > 0) parts.push(next.value);
      size += next.value.length;
    }
    this.#held = joined(parts, size);
  }

  #cutOff(): StorageError {
    return new StorageError('corrupt', `${this.#what}: it is cut off`);
  }
}

/** One part as it is, several copied. */
function joined(parts: readonly Uint8Array[], size: number): Buffer {
  const [first] = parts;
  return first !== undefined && parts.length === 1
    ? Buffer.from(first.buffer, first.byteOffset, first.length)
    : Buffer.concat(parts, size);
}
