import { randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import type { BlobStore } from '../blob-store.ts';
import { DigestHasher, type Digest } from '../digest.ts';
import { fromErrno } from '../durable.ts';
import { isStorageError, StorageError } from '../errors.ts';
import { fileBytes } from '../file-bytes.ts';
import type { IoOptions } from '../object-store.ts';
import { PassingBuffers } from '../passing-buffers.ts';

/**
 * A pack begins with a skippable zstd frame (RFC 8878, 3.1.2) of eight bytes, "rvpack", zero, version
 * 1, so that `zstd -dc pack` writes out its chunks. LAYOUT.md, "Pack".
 */
export const PACK_HEADER = Buffer.concat([
  Buffer.from([0x52, 0x2a, 0x4d, 0x18, 8, 0, 0, 0]),
  Buffer.from('rvpack\0\x01', 'latin1'),
]);

/** Of a pack on its way into the store. */
const PIECE_BYTES = 256 * 1024;

/** A length that {@link PackWriter.rewind} goes back to. */
export interface PackMark {
  readonly size: number;
  readonly hasher: DigestHasher;
}

/** Writes one pack: frames in order into a scratch file of any size, then into the store. */
export class PackWriter {
  readonly #path: string;
  readonly #file: FileHandle;
  #hasher = new DigestHasher();

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Opens a writer; the caller disposes of it in `finally`. */
  static async open(scratch: string): Promise<PackWriter> {
    const path = join(scratch, `pack-${randomUUID()}`);
    // Appending, so that what comes after a cut follows it.
    const file = await scratchFault(path, open(path, 'ax'));
    const writer = new PackWriter(path, file);
    try {
      await writer.append(PACK_HEADER);
    } catch (error) {
      await writer.dispose();
      throw error;
    }
    return writer;
  }

  /** Bytes of the pack so far. */
  get size(): number {
    return this.#hasher.size;
  }

  /** Appends a frame; returns the offset of its first byte. */
  async append(frame: Uint8Array): Promise<number> {
    const offset = this.#hasher.size;
    this.#hasher.update(frame);
    await scratchFault(this.#path, this.#file.writeFile(frame));
    return offset;
  }

  mark(): PackMark {
    return { size: this.size, hasher: this.#hasher.copy() };
  }

  /** Cuts off every frame that was appended after the mark. */
  async rewind({ size, hasher }: PackMark): Promise<void> {
    await scratchFault(this.#path, this.#file.truncate(size));
    this.#hasher = hasher.copy();
  }

  /** Stores the pack under its digest, durable on return. The writer is spent. */
  async store(
    blobs: BlobStore,
    options: IoOptions = {},
  ): Promise<{ readonly digest: Digest; readonly size: number; readonly created: boolean }> {
    const { size } = this.#hasher;
    const digest = this.#hasher.digest();
    const source = new PassingBuffers().through(fileBytes(this.#path, PIECE_BYTES));
    const { created } = await blobs.put(digest, source, { size, signal: options.signal });
    return { digest, size, created };
  }

  /** Removes the scratch file; safe at any time and more than once. */
  async dispose(): Promise<void> {
    try {
      await this.#file.close();
    } finally {
      await rm(this.#path, { force: true });
    }
  }
}

async function scratchFault<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw notMissing(fromErrno(error, `cannot write the scratch file ${path}`));
  }
}

/** A scratch folder that is not there is a fault of the machine, not a missing blob. */
function notMissing(error: unknown): unknown {
  if (!isStorageError(error, 'missing')) return error;
  return new StorageError('unavailable', String(error), { cause: error });
}
