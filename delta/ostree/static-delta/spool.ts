import { randomUUID } from 'node:crypto';
import { readSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { fromErrno } from '../../../storage/durable.ts';
import { StorageError } from '../../../storage/errors.ts';
import type { RandomAccess } from '../../../storage/random-access.ts';

/** Up to this many bytes stay in memory. */
const MEMORY_BYTES = 8 * 1024 * 1024;
const FIRST_BYTES = 64 * 1024;

/**
 * Bytes that are appended and read again at any place: in memory as long as they are few, then in a
 * file of its own in a scratch folder. Close it.
 */
export class Spool {
  readonly #folder: string;
  readonly #memoryBytes: number;
  #memory = Buffer.alloc(0);
  #file: FileHandle | undefined;
  #size = 0;

  constructor(folder: string, memoryBytes = MEMORY_BYTES) {
    this.#folder = folder;
    this.#memoryBytes = memoryBytes;
  }

  /** Bytes appended so far. */
  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#file === undefined && this.#size + bytes.length > this.#memoryBytes) {
      this.#file = await this.#toFile();
    }
    if (this.#file === undefined) {
      this.#reserve(this.#size + bytes.length);
      this.#memory.set(bytes, this.#size);
    } else {
      await writeAll(this.#file, bytes, this.#size);
    }
    this.#size += bytes.length;
  }

  /** Forgets the bytes from `size` on; the next ones go there. */
  rewind(size: number): void {
    this.#size = Math.min(size, this.#size);
  }

  /** A view of bytes that were appended; broken once they are forgotten. */
  slice(start: number, size: number): RandomAccess {
    return {
      size,
      read: async (offset, length) => {
        this.#check(start, size, offset, length);
        return this.#read(start + offset, length);
      },
      readSync: (offset, into) => {
        this.#check(start, size, offset, into.length);
        this.#readSync(start + offset, into);
      },
    };
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    if (this.#file === undefined) return this.#memory.subarray(offset, offset + length);
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new StorageError('corrupt', 'a scratch file shrank');
      done += bytesRead;
    }
    return bytes;
  }

  #readSync(offset: number, into: Uint8Array): void {
    if (this.#file === undefined) {
      into.set(this.#memory.subarray(offset, offset + into.length));
      return;
    }
    for (let done = 0; done < into.length;) {
      const bytesRead = readSync(this.#file.fd, into, done, into.length - done, offset + done);
      if (bytesRead === 0) throw new StorageError('corrupt', 'a scratch file shrank');
      done += bytesRead;
    }
  }

  #check(start: number, size: number, offset: number, length: number): void {
    const fits = offset >= 0 && length >= 0 && offset + length <= size;
    if (fits && start + size <= this.#size) return;
    throw new StorageError('range_unsatisfiable', `bytes ${offset}+${length} of ${size}`);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#memory.length) return;
    const doubled = Math.min(Math.max(this.#memory.length * 2, FIRST_BYTES), this.#memoryBytes);
    const grown = Buffer.allocUnsafe(Math.max(bytes, doubled));
    this.#memory.copy(grown, 0, 0, this.#size);
    this.#memory = grown;
  }

  /** The file has no name once it is open: it goes away with its handle. */
  async #toFile(): Promise<FileHandle> {
    const path = join(this.#folder, randomUUID());
    try {
      const file = await open(path, 'wx+', 0o600);
      await rm(path);
      await writeAll(file, this.#memory.subarray(0, this.#size), 0);
      this.#memory = Buffer.alloc(0);
      return file;
    } catch (error) {
      throw fromErrno(error, `writing a scratch file in ${this.#folder}`);
    }
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done;
      done += (await file.write(bytes, done, left, offset + done)).bytesWritten;
    }
  } catch (error) {
    throw fromErrno(error, 'writing a scratch file');
  }
}
