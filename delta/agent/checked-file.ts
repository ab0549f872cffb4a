import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import type { ByteRange } from '../../storage/object-store.ts';
import { Coverage } from './coverage.ts';
import { readPieces } from './digest-file.ts';
import { fileSize, writeAt } from './durable.ts';
import { heldPieces, PartSums } from './part-sums.ts';

/** A sixteenth of what comes is made durable at a time, within these bounds. */
const SYNC_SHARE = 16;
const MIN_SYNC_BYTES = 64 * 1024;
const MAX_SYNC_BYTES = 1024 * 1024;

export interface CheckedFileOptions {
  readonly path: string;
  readonly sumsPath: string;
  /** Bytes that are to come, about. */
  readonly expectedBytes: number;
  /** A file without sums, as an older agent leaves it, is taken for right, else for nothing. */
  readonly trustsUnsummed: boolean;
  /** Told of what is found right, piece by piece. */
  readonly onHeld?: (start: number, bytes: Buffer) => void;
}

/**
 * A file of downloaded bytes, each at its own place, and beside it the checksums that they came with
 * ({@link PartSums}). What a power cut took from anywhere does not have its sum any more: it is a hole,
 * and the rest stays.
 */
export class CheckedFile {
  readonly #file: FileHandle;
  readonly #sums: PartSums;
  /** So many bytes, and one write, a power cut may take; a kill, less than a KiB. */
  readonly #syncBytes: number;
  #held = new Coverage();
  #unsynced = 0;

  private constructor(file: FileHandle, sums: PartSums, expectedBytes: number) {
    this.#file = file;
    this.#sums = sums;
    const share = Math.ceil(expectedBytes / SYNC_SHARE);
    this.#syncBytes = Math.min(MAX_SYNC_BYTES, Math.max(MIN_SYNC_BYTES, share));
  }

  /** Opens what an earlier run left, or makes the files; their names are the caller's to sync. */
  static async open(options: CheckedFileOptions): Promise<CheckedFile> {
    const { path, sumsPath, expectedBytes, trustsUnsummed, onHeld } = options;
    const file = await open(path, constants.O_RDWR | constants.O_CREAT);
    let sums: PartSums | undefined;
    try {
      const isFresh = (await file.stat()).size === 0;
      const isOlder = !isFresh && (await fileSize(sumsPath)) === undefined;
      sums = await (isOlder && trustsUnsummed
        ? PartSums.make(sumsPath, file)
        : PartSums.open(sumsPath));
      const checked = new CheckedFile(file, sums, expectedBytes);
      if (isFresh) return checked;
      await heldPieces(path, sumsPath, (start, bytes) => {
        checked.#held.add({ start, endExclusive: start + bytes.length });
        onHeld?.(start, bytes);
      });
      // What a killed run left is not lost to a power cut any more.
      await checked.sync();
      return checked;
    } catch (error) {
      await sums?.close();
      await file.close();
      throw error;
    }
  }

  /** Bytes that are here. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Bytes of a range that are here. */
  heldOf(range: ByteRange): number {
    return this.#held.overlap(range);
  }

  /** The first bytes of a range that are not here; undefined when all are. */
  hole(range: ByteRange): ByteRange | undefined {
    return this.#held.hole(range);
  }

  /** Writes bytes to their place. */
  async write(bytes: Buffer, at: number): Promise<void> {
    await this.#sums.add(at, bytes);
    await writeAt(this.#file, bytes, at);
    this.#held.add({ start: at, endExclusive: at + bytes.length });
    this.#unsynced += bytes.length;
    if (this.#unsynced >= this.#syncBytes) await this.sync();
  }

  /** Makes bytes and sums durable, at once: a journal takes both with one commit. */
  async sync(): Promise<void> {
    await Promise.all([this.#sums.sync(), this.#file.sync()]);
    this.#unsynced = 0;
  }

  /** The bytes of a range were wrong when they came: it is a hole. */
  forget(range: ByteRange): void {
    this.#held.remove(range);
  }

  /** Drops all bytes, durably. */
  async clear(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.sync();
    await this.#sums.clear();
    this.#held = new Coverage();
    this.#unsynced = 0;
  }

  /** The bytes from `start` on, holes too; a piece is good until the next is asked for. */
  readFrom(start: number): AsyncIterable<Buffer> {
    return readPieces(this.#file, start);
  }

  async close(): Promise<void> {
    await this.#sums.close();
    await this.#file.close();
  }
}
