import { readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import { StorageError } from './errors.ts';

/** Bytes that can be read at any place: an old tar, a delta file. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; `range_unsatisfiable` when they are not all there. */
  read(offset: number, length: number): Promise<Buffer>;
  /**
   * Fills all of `into` from `offset`, as `read` does, but now: for decoders that cannot wait. Short
   * reads only: it holds up everything else.
   */
  readSync(offset: number, into: Uint8Array): void;
}

/** Bytes held in memory. */
export class BufferAccess implements RandomAccess {
  readonly size: number;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.size = bytes.byteLength;
  }

  read(offset: number, length: number): Promise<Buffer> {
    checkRange(this.size, offset, length);
    return Promise.resolve(this.#bytes.subarray(offset, offset + length));
  }

  readSync(offset: number, into: Uint8Array): void {
    checkRange(this.size, offset, into.length);
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }
}

/** A file opened for reading. Close it. */
export class FileAccess implements RandomAccess {
  readonly size: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  static async open(path: string): Promise<FileAccess> {
    const file = await open(path, 'r');
    try {
      return new FileAccess(file, (await file.stat()).size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    checkRange(this.size, offset, length);
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw shrunk(offset + done);
      done += bytesRead;
    }
    return bytes;
  }

  readSync(offset: number, into: Uint8Array): void {
    checkRange(this.size, offset, into.length);
    for (let done = 0; done < into.length;) {
      const bytesRead = readSync(this.#file.fd, into, done, into.length - done, offset + done);
      if (bytesRead === 0) throw shrunk(offset + done);
      done += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** A window of another source. */
export class SliceAccess implements RandomAccess {
  readonly size: number;
  readonly #inner: RandomAccess;
  readonly #start: number;

  constructor(inner: RandomAccess, start: number, size: number) {
    checkRange(inner.size, start, size);
    this.#inner = inner;
    this.#start = start;
    this.size = size;
  }

  read(offset: number, length: number): Promise<Buffer> {
    checkRange(this.size, offset, length);
    return this.#inner.read(this.#start + offset, length);
  }

  readSync(offset: number, into: Uint8Array): void {
    checkRange(this.size, offset, into.length);
    this.#inner.readSync(this.#start + offset, into);
  }
}

function shrunk(offset: number): StorageError {
  return new StorageError('corrupt', `the file shrank: no byte at ${offset}`);
}

/** Throws `range_unsatisfiable` unless the bytes are all there. */
export function checkRange(size: number, offset: number, length: number): void {
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    offset + length > size
  ) {
    throw new StorageError('range_unsatisfiable', `bytes ${offset}+${length} of ${size}`, {
      detail: { offset, length, size },
    });
  }
}
