import { isStorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import { CachedReader, type CachedReaderOptions } from './cached-reader.ts';
import type { Reader } from './fill.ts';

export interface BlobLeaseOptions extends CachedReaderOptions {
  readonly onRelease: () => void;
  /** The most that a transfer that begins now should hold in memory. */
  readonly bufferBytes: () => number;
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
      await fill.ready(this.#reader, Math.floor(this.#first.start / BLOCK_BYTES), signal);
    } catch (error) {
      if (!isStorageError(error, 'no_space')) throw error;
    }
  }

  get bufferBytes(): number {
    return this.#options.bufferBytes();
  }

  /** The bytes of ranges, as they arrive. */
  read(ranges: readonly ByteRange[], signal: AbortSignal): CachedReader {
    return new CachedReader(this.#options, ranges, signal);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#reader !== undefined) this.#options.fill?.leave(this.#reader);
    this.#options.onRelease();
  }
}
