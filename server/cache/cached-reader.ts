import { isStorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import type { BodyWriter } from '../http/body-writer.ts';
import type { RangeReader } from '../http/send-blob.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlockReads } from './block-reads.ts';
import type { Fill, Reader } from './fill.ts';
import { passRange, passRest, type BegunPass, type PassThroughOptions } from './pass-through.ts';
import { passReason, StoreAwayError } from './store-away.ts';

/** A block that goes bad on disk that often in a row is a fault of the disk. */
const MAX_READ_TRIES = 3;
/** Ranges that follow each other this closely are asked of the origin as one. */
const JOIN_GAP_BYTES = 128 * 1024;

export interface CachedReaderOptions {
  /** Undefined when the blob can't be kept: everything comes straight from the origin. */
  readonly fill: Fill | undefined;
  readonly source: Omit<PassThroughOptions, 'signal'>;
  readonly reads: BlockReads;
  readonly logger: Logger;
  /** Tries to free disk space for the blob; true when some was freed. */
  readonly relieve: () => Promise<boolean>;
  /** Told when a transfer passes through, with the error that is the reason. */
  readonly onPass: (why: unknown) => void;
  /** The first range, when its first bytes have passed already. */
  readonly begun: BegunPass | undefined;
}

/**
 * Reads ranges of a blob as its blocks arrive: readers that want a block at about the same time have
 * it from memory, others from the file. While the client's connection is full, nothing but the body's
 * own buffer is held for it.
 */
export class CachedReader implements RangeReader {
  readonly #options: CachedReaderOptions;
  readonly #ranges: readonly ByteRange[];
  readonly #signal: AbortSignal;
  #reader: Reader | undefined;
  /** What the reader has announced. */
  #span: ByteRange = { start: 0, endExclusive: 0 };

  constructor(options: CachedReaderOptions, ranges: readonly ByteRange[], signal: AbortSignal) {
    this.#options = options;
    this.#ranges = ranges;
    this.#signal = signal;
  }

  /** Writes the range of that index; indexes ascend. */
  async send(index: number, body: BodyWriter): Promise<void> {
    const range = this.#ranges[index];
    if (range === undefined) throw new RangeError(`no range ${index}`);
    const { fill, begun } = this.#options;
    if (begun !== undefined && index === 0) {
      for await (const part of begun.parts) await body.bytes(part);
      return;
    }
    if (fill === undefined) {
      await this.#pass(range, range.start, body);
      return;
    }
    const reader = this.#announce(fill, index, range);
    for (let at = range.start; at < range.endExclusive;) {
      const blockEnd = (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES;
      const part = { start: at, endExclusive: Math.min(blockEnd, range.endExclusive) };
      const sent = await this.#sendPart(fill, reader, part, body);
      if (sent < part.endExclusive) {
        await this.#pass(range, sent, body);
        return;
      }
      at = sent;
    }
  }

  close(): Promise<void> {
    if (this.#reader !== undefined) this.#options.fill?.leave(this.#reader);
    this.#reader = undefined;
    return Promise.resolve();
  }

  /** Says what will be read next: this range, and those close behind it. */
  #announce(fill: Fill, index: number, range: ByteRange): Reader {
    const { start, endExclusive } = this.#span;
    const within = range.start >= start && range.endExclusive <= endExclusive;
    if (this.#reader !== undefined && within) return this.#reader;
    let end = range.endExclusive;
    for (const next of this.#ranges.slice(index + 1)) {
      if (next.start < end || next.start - end > JOIN_GAP_BYTES) break;
      end = next.endExclusive;
    }
    this.#span = { start: range.start, endExclusive: end };
    const before = this.#reader;
    this.#reader = fill.join(this.#span);
    if (before !== undefined) fill.leave(before);
    return this.#reader;
  }

  /**
   * Writes a part of one block; returns where it stopped: before the end when there is no room for it, or
   * the bucket is away.
   */
  async #sendPart(fill: Fill, reader: Reader, part: ByteRange, body: BodyWriter): Promise<number> {
    const { reads, logger } = this.#options;
    const block = Math.floor(part.start / BLOCK_BYTES);
    let at = part.start;
    let relieved = false;
    for (let faults = 0; at < part.endExclusive;) {
      try {
        await fill.ready(reader, block, this.#signal);
      } catch (error) {
        if (passReason(error) === undefined) throw error;
        if (!(await this.#relieve(error, relieved))) return at;
        relieved = true;
        continue;
      }
      try {
        at = await this.#sendSome(fill, block, { ...part, start: at }, body);
      } catch (error) {
        if (error instanceof StoreAwayError) {
          this.#options.onPass(error);
          return at;
        }
        const damaged = isStorageError(error, 'corrupt') || isStorageError(error, 'missing');
        faults += 1;
        if (!damaged || faults >= MAX_READ_TRIES) throw error;
        reads.doubt(fill.file);
        logger.warn({ err: error, block }, 'a damaged block is fetched again');
      }
    }
    return at;
  }

  /** True when there is room now for what could not be kept, and was not before; else it passes through. */
  async #relieve(why: unknown, relieved: boolean): Promise<boolean> {
    const { relieve, onPass } = this.#options;
    const isFull = !relieved && !(why instanceof StoreAwayError);
    if (isFull && (await relieve())) return true;
    onPass(why);
    return false;
  }

  /** Writes as much of a block's part as there is room for; returns where it stopped. */
  async #sendSome(
    { file }: Fill,
    block: number,
    part: ByteRange,
    body: BodyWriter,
  ): Promise<number> {
    const { reads } = this.#options;
    const room = await body.room();
    if (!reads.isRight(file, block)) await reads.check(file, block);
    const length = Math.min(room, part.endExclusive - part.start);
    const held = reads.recent(file, block);
    if (held === undefined) {
      const from = { read: file.readUnchecked.bind(file) };
      return part.start + (await body.some(from, part.start, length));
    }
    const at = part.start - block * BLOCK_BYTES;
    body.put(held.subarray(at, at + length));
    return part.start + length;
  }

  /** The rest of a range from byte `start`, straight from the origin. */
  async #pass(range: ByteRange, start: number, body: BodyWriter): Promise<void> {
    const { source } = this.#options;
    const options = { ...source, signal: this.#signal };
    const { endExclusive } = range;
    const whole = range.start === 0 && endExclusive === source.size;
    const parts = whole
      ? passRest(start, this.#before(start, options), options)
      : passRange({ start, endExclusive }, options);
    for await (const part of parts) await body.bytes(part);
  }

  /** The blob's bytes up to `end`: from the store, and from where that can't be read, from the origin. */
  async *#before(
    end: number,
    options: PassThroughOptions,
  ): AsyncGenerator<Buffer, void, undefined> {
    let start = 0;
    if (end === 0) return;
    try {
      for await (const part of this.#options.fill?.file.read({ start, endExclusive: end }) ?? []) {
        yield part;
        start += part.length;
      }
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      yield* passRange({ start, endExclusive: end }, options);
    }
  }
}
