import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

import { errnoOf } from '../../storage/durable.ts';
import { readPieces } from './digest-file.ts';
import { renameDurable, writeAt } from './durable.ts';

/** No piece reaches over a multiple of this. */
const BLOCK_BYTES = 4096;
/** A shorter piece waits for more of its block, unless it is synced: reads may be as short as a byte. */
const LEAST_BYTES = 1024;
const RECORD_BYTES = 12;
const WINDOW_BYTES = 128 * 1024;

/** What a piece was when it was received. */
interface PieceSum {
  readonly start: number;
  readonly length: number;
  readonly crc: number;
}

/**
 * The checksums beside a file that is received piece by piece: a log of records that are only ever
 * added, 12 bytes each, big-endian:
 *
 * ```
 *  0  u48  first byte of the piece in the file
 *  6  u16  bytes of the piece, 1 to 4096; 0 is no record
 *  8  u32  its CRC-32 (as zlib's)
 * ```
 *
 * A record is a claim that the file's bytes have to bear out ({@link heldPieces}): one that is torn,
 * stale, or came to the disk without its piece, claims nothing true and does no harm.
 */
export class PartSums {
  readonly #file: FileHandle;
  #end: number;
  /** The last piece, while it is too short for a record. */
  #short: PieceSum | undefined;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#end = size - (size % RECORD_BYTES);
  }

  /** Opens the log, or begins it. */
  static async open(path: string): Promise<PartSums> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT);
    return new PartSums(file, (await file.stat()).size);
  }

  /** Makes the log of a file that has none: all its bytes are taken for right. Durable. */
  static async make(path: string, of: FileHandle): Promise<PartSums> {
    const sums = await PartSums.open(`${path}.tmp`);
    await sums.clear();
    let at = 0;
    for await (const bytes of readPieces(of, 0)) {
      await sums.add(at, bytes);
      at += bytes.length;
    }
    await sums.sync();
    await renameDurable(`${path}.tmp`, path);
    return sums;
  }

  /** Notes bytes that are about to be written to byte `at`: call it before, so that a kill between the two costs none. */
  async add(at: number, bytes: Uint8Array): Promise<void> {
    const records: Buffer[] = [];
    for (let done = 0; done < bytes.length;) {
      const place = at + done;
      const length = Math.min(BLOCK_BYTES - (place % BLOCK_BYTES), bytes.length - done);
      const sum = this.#grown(place, bytes.subarray(done, done + length));
      if (this.#short !== undefined && sum.start === place) records.push(formatRecord(this.#short));
      const isWhole = sum.length >= LEAST_BYTES || (place + length) % BLOCK_BYTES === 0;
      if (isWhole) records.push(formatRecord(sum));
      this.#short = isWhole ? undefined : sum;
      done += length;
    }
    await this.#append(records);
  }

  async sync(): Promise<void> {
    if (this.#short !== undefined) await this.#append([formatRecord(this.#short)]);
    this.#short = undefined;
    await this.#file.sync();
  }

  /** Drops all records, durably. */
  async clear(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.sync();
    this.#end = 0;
    this.#short = undefined;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** The sum of a piece, and of the short one that it goes on after. */
  #grown(start: number, piece: Uint8Array): PieceSum {
    const short = this.#short;
    if (short === undefined || short.start + short.length !== start || start % BLOCK_BYTES === 0) {
      return { start, length: piece.length, crc: crc32(piece) };
    }
    const length = short.length + piece.length;
    return { start: short.start, length, crc: crc32(piece, short.crc) };
  }

  async #append(records: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(records);
    await writeAt(this.#file, bytes, this.#end);
    this.#end += bytes.length;
  }
}

/**
 * Calls `onHeld` for each piece whose bytes in the file are what its record says, in the order of the
 * records. A file or a log that is not there holds none.
 */
export async function heldPieces(
  path: string,
  sumsPath: string,
  onHeld: (start: number, bytes: Buffer) => void,
): Promise<void> {
  const file = await openIfThere(path);
  const sums = await openIfThere(sumsPath);
  try {
    if (file === undefined || sums === undefined) return;
    const window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
    let [from, to] = [0, 0];
    for await (const { start, length, crc } of readRecords(sums)) {
      const end = start + length;
      if (start < from || end > to) {
        from = start;
        to = start + (await file.read(window, 0, window.length, start)).bytesRead;
      }
      const bytes = window.subarray(start - from, end - from);
      if (end <= to && crc32(bytes) === crc) onHeld(start, bytes);
    }
  } finally {
    await file?.close();
    await sums?.close();
  }
}

async function* readRecords(file: FileHandle): AsyncGenerator<PieceSum> {
  // A whole number of records, so that none lies in two reads.
  const some = Buffer.allocUnsafeSlow(RECORD_BYTES * 1024);
  for (let at = 0; ; at += some.length) {
    const { bytesRead } = await file.read(some, 0, some.length, at);
    for (let place = 0; place + RECORD_BYTES <= bytesRead; place += RECORD_BYTES) {
      const start = some.readUIntBE(place, 6);
      const length = some.readUInt16BE(place + 6);
      const isPiece = length > 0 && (start % BLOCK_BYTES) + length <= BLOCK_BYTES;
      if (isPiece) yield { start, length, crc: some.readUInt32BE(place + 8) };
    }
    if (bytesRead < some.length) return;
  }
}

function formatRecord({ start, length, crc }: PieceSum): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUIntBE(start, 0, 6);
  record.writeUInt16BE(length, 6);
  record.writeUInt32BE(crc, 8);
  return record;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
