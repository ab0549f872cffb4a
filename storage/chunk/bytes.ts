import { StorageError } from '../errors.ts';

/** Reads a small binary format out of memory; every fault is `corrupt` and names the format. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw this.#broken('it is cut off');
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  /** An unsigned LEB128 number up to 2^53 - 1, in as few bytes as it takes. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.bytes(1).readUInt8(0);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      if (!Number.isSafeInteger(value)) break;
      if (byte === 0 && i > 0) throw this.#broken('a number is longer than it needs to be');
      return value;
    }
    throw this.#broken('a number is too large');
  }

  /** A count of records that take at least `recordBytes` each: never more than can still follow. */
  count(most: number, recordBytes: number): number {
    const count = this.varint();
    if (count > most || count * recordBytes > this.#bytes.length - this.#at) {
      throw this.#broken(`${count} records do not fit`);
    }
    return count;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw this.#broken(`${this.#bytes.length - this.#at} bytes follow its end`);
    }
  }

  #broken(why: string): StorageError {
    return new StorageError('corrupt', `${this.#what}: ${why} at byte ${this.#at}`, {
      detail: { at: this.#at },
    });
  }
}

/** Builds what {@link ByteReader} reads. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  varint(value: number): void {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 128) {
      bytes.push((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    bytes.push(rest);
    this.#parts.push(Uint8Array.from(bytes));
  }

  take(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
