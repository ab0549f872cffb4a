import { Readable } from 'node:stream';

import { isStorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlockReads } from './block-reads.ts';
import type { Fill, Reader } from './fill.ts';
import { passRange, passRest, type PassThroughOptions } from './pass-through.ts';

/** A block that goes bad on disk that often in a row is a fault of the disk. */
const MAX_READ_TRIES = 3;

export interface BlobLeaseOptions {
  /** Undefined when the blob can't be kept: everything comes straight from the origin. */
  readonly fill: Fill | undefined;
  readonly source: Omit<PassThroughOptions, 'signal'>;
  readonly reads: BlockReads;
  readonly logger: Logger;
  /** Tries to free disk space for the blob; true when some was freed. */
  readonly relieve: () => Promise<boolean>;
  readonly onRelease: () => void;
}

/** One request's hold on a blob: its fill goes on, and it is not evicted, until it is released. */
export class BlobLease {
  readonly #options: BlobLeaseOptions;
  readonly #first: ByteRange;
  readonly #reader: Reader | undefined;
  #released = false;

  /** `first`: the range that is read first, not empty. */
  constructor(options: BlobLeaseOptions, first: ByteRange) {
    this.#options = options;
    this.#first = first;
    this.#reader = options.fill?.join(first);
  }

  /**
   * Resolves when the first byte can be sent, so that an error is still an answer. A full disk is no
   * error: the bytes will pass through.
   */
  async ready(signal: AbortSignal): Promise<void> {
    const { fill } = this.#options;
    if (fill === undefined || this.#reader === undefined) return;
    try {
      await fill.ready(this.#reader, blockOf(this.#first.start), signal);
    } catch (error) {
      if (!isStorageError(error, 'no_space')) throw error;
    }
  }

  /** The bytes of a range, as they arrive. */
  open(range: ByteRange, signal: AbortSignal): Readable {
    return Readable.from(this.#read(range, signal), { highWaterMark: 1 });
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#reader !== undefined) this.#options.fill?.leave(this.#reader);
    this.#options.onRelease();
  }

  async *#read(range: ByteRange, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const { fill } = this.#options;
    if (fill === undefined) {
      yield* this.#pass(range, range.start, signal);
      return;
    }
    const reader = fill.join(range);
    try {
      for (let block = reader.first; block < reader.end; block += 1) {
        const start = block * BLOCK_BYTES;
        const bytes = await this.#block(fill, reader, block, signal);
        if (bytes === undefined) {
          yield* this.#pass(range, Math.max(start, range.start), signal);
          return;
        }
        yield bytes.subarray(
          Math.max(range.start - start, 0),
          Math.min(range.endExclusive - start, bytes.length),
        );
      }
    } finally {
      fill.leave(reader);
    }
  }

  /** Undefined when there is no room for it. */
  async #block(
    fill: Fill,
    reader: Reader,
    block: number,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const { reads, logger, relieve } = this.#options;
    let relieved = false;
    for (let tries = 1; ; tries += 1) {
      try {
        await fill.ready(reader, block, signal);
      } catch (error) {
        if (!isStorageError(error, 'no_space')) throw error;
        if (relieved || !(await relieve())) return undefined;
        relieved = true;
        continue;
      }
      try {
        return await reads.read(fill.file, block);
      } catch (error) {
        const damaged = isStorageError(error, 'corrupt') || isStorageError(error, 'missing');
        if (!damaged || tries >= MAX_READ_TRIES) throw error;
        logger.warn({ err: error, block }, 'a damaged block is fetched again');
      }
    }
  }

  async *#pass(
    range: ByteRange,
    start: number,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { fill, source } = this.#options;
    const options = { ...source, signal };
    const { endExclusive } = range;
    const whole = range.start === 0 && endExclusive === source.size;
    if (!whole) yield* passRange({ start, endExclusive }, options);
    else
      yield* passRest(
        start,
        start === 0 ? [] : (fill?.file.read({ start: 0, endExclusive: start }) ?? []),
        options,
      );
  }
}

function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES);
}
