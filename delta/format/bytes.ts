import { DeltaError } from '../errors.ts';
import { LIMITS } from './limits.ts';

/** A growing buffer with the container's number formats (FORMAT.md, "Numbers and bounds"). */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** `value` is an integer from 0 to 2^53 - 1. */
  varint(value: number): this {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
    return this;
  }

  zigzag(value: number): this {
    return this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Cut to {@link LIMITS.textBytes} bytes. */
  text(text: string): this {
    const bytes = Buffer.from(text).subarray(0, LIMITS.textBytes);
    return this.varint(bytes.length).bytes(bytes);
  }

  /** Everything written; valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads the container's number formats from bytes; every fault is `bad_format` naming `what`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw this.#fault('ends too early');
    this.#at += 1;
    return value;
  }

  /** A number up to `max` inclusive. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; ; count += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && count > 1) throw this.#fault('has a number in a longer form than needed');
        break;
      }
      if (count === 8) throw this.#fault('has a number of more than 8 bytes');
      scale *= 0x80;
    }
    if (value > max) throw this.#fault(`has ${value} where at most ${max} is allowed`);
    return value;
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    if (length > this.left) throw this.#fault('ends too early');
    const start = this.#bytes.byteOffset + this.#at;
    this.#at += length;
    return Buffer.from(this.#bytes.buffer, start, length);
  }

  text(): string {
    return this.bytes(this.varint(LIMITS.textBytes)).toString('utf8');
  }

  end(): void {
    if (this.left !== 0) throw this.#fault(`has ${this.left} bytes too many`);
  }

  #fault(problem: string): DeltaError {
    return new DeltaError('bad_format', `${this.#what} ${problem} (at byte ${this.#at})`, {
      detail: { what: this.#what, at: this.#at },
    });
  }
}
