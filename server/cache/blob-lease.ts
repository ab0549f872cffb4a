import { isStorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import { CachedReader, type CachedReaderOptions } from './cached-reader.ts';
import type { Reader } from './fill.ts';
import { beginPass, type BegunPass } from './pass-through.ts';
import { StoreAwayError } from './store-away.ts';

export interface BlobLeaseOptions extends Omit<CachedReaderOptions, 'begun'> {
  /** Why there is no fill, if there is none. */
  readonly unkept: unknown;
  readonly onRelease: () => void;
  /** The most that a transfer that begins now should hold in memory. */
  readonly bufferBytes: () => number;
}

/** One request's hold on a blob: its fill goes on, and it is not evicted, until it is released. */
export class BlobLease {
  readonly #options: BlobLeaseOptions;
  readonly #first: ByteRange;
  readonly #reader: Reader | undefined;
  /** The first range, when it passes through. */
  #begun: BegunPass | undefined;
  #released = false;

  /** `first`: the range that is read first, not empty. */
  constructor(options: BlobLeaseOptions, first: ByteRange) {
    this.#options = options;
    this.#first = first;
    this.#reader = options.fill?.join(first);
  }

  /**
   * Resolves when the first byte can be sent, so that an error is still an answer. A full disk is no
   * error, nor is a bucket that is away: the bytes will pass through, unless the origin is gone too.
   */
  async ready(signal: AbortSignal): Promise<void> {
    const { source, onPass } = this.#options;
    const why = await this.#whyPass(signal);
    if (why === undefined) return;
    onPass(why);
    this.#begun = await beginPass(this.#first, { ...source, signal }, why);
  }

  get bufferBytes(): number {
    return this.#options.bufferBytes();
  }

  /** The bytes of ranges, as they arrive. */
  read(ranges: readonly ByteRange[], signal: AbortSignal): CachedReader {
    return new CachedReader({ ...this.#options, begun: this.#begun }, ranges, signal);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#reader !== undefined) this.#options.fill?.leave(this.#reader);
    this.#begun?.close().catch((error: unknown) => {
      this.#options.logger.debug({ err: error }, 'a transfer did not end as it should');
    });
    this.#options.onRelease();
  }

  /** Waits for the first block; says why it passes through instead, if it does. */
  async #whyPass(signal: AbortSignal): Promise<unknown> {
    const { fill, reads, unkept } = this.#options;
    if (fill === undefined || this.#reader === undefined) return unkept;
    const block = Math.floor(this.#first.start / BLOCK_BYTES);
    try {
      await fill.ready(this.#reader, block, signal);
      if (!reads.isRight(fill.file, block)) await reads.check(fill.file, block);
      return undefined;
    } catch (error) {
      if (error instanceof StoreAwayError) return error;
      // The reader makes room, or fetches a damaged block again.
      if (READERS.some((code) => isStorageError(error, code))) return undefined;
      throw error;
    }
  }
}

/** Faults that a reader does something about. */
const READERS = ['no_space', 'corrupt', 'missing'] as const;
