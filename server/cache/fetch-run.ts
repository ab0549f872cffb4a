import type { Clock } from '../../storage/clock.ts';
import { checkAborted } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import type { SparseBlob } from '../../storage/sparse/sparse-blob.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import { pause, pauseAfter, type RetryPolicy } from './retry.ts';
import type { OpenAtOrigin } from './upstream-blobs.ts';

/** What a fetch got is made durable this often: a killed cache loses no more. */
const SYNC_MS = 500;

export interface FetchRunOptions {
  readonly file: SparseBlob;
  readonly open: OpenAtOrigin;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** A block is stored and can be read. */
  readonly onBlock: (block: number) => void;
}

/**
 * Fetches consecutive blocks of a blob from the origin into the store, on one connection at a
 * time; after a broken one it goes on at the byte it had. It holds one block in memory.
 */
export class FetchRun {
  /** The block that is being fetched. */
  next: number;
  /** Exclusive. May be lowered while it runs; the block in hand is still finished. */
  end: number;
  readonly #options: FetchRunOptions;
  readonly #block: Buffer;
  #filled = 0;
  #failures = 0;
  #syncedMs: number;
  #etag: string | undefined;

  constructor(options: FetchRunOptions, next: number, end: number) {
    this.#options = options;
    this.next = next;
    this.end = end;
    this.#syncedMs = options.clock();
    this.#block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, options.file.size));
  }

  /**
   * Resolves when every block up to `end` is there. Tries again, with pauses, after `unavailable`;
   * a block that came resets the count. Throws the last error, and `no_space`, `missing`, what the
   * origin refuses, `aborted`.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { retry, file } = this.#options;
    try {
      while (this.next < this.end) {
        try {
          await this.#attempt(signal);
        } catch (error) {
          if (!(error instanceof StorageError) || error.code !== 'unavailable') throw error;
          this.#failures += 1;
          if (this.#failures >= retry.attempts) throw error;
          await pause(pauseAfter(this.#failures, retry), signal);
        }
      }
    } finally {
      // The check of the digest, which comes next, syncs a complete file.
      if (!file.complete) await file.sync();
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { open, file } = this.#options;
    const { digest, size } = file;
    const range = {
      start: this.next * BLOCK_BYTES + this.#filled,
      endExclusive: Math.min(this.end * BLOCK_BYTES, size),
    };
    const opened = await open(range, { etag: this.#etag, signal });
    this.#etag = opened.etag;
    for await (const bytes of opened.bytes) {
      await this.#take(bytes);
      if (this.next >= this.end && range.endExclusive > this.end * BLOCK_BYTES) break;
      checkAborted(signal, `fetching ${digest}`);
    }
  }

  async #take(bytes: Buffer): Promise<void> {
    const { file } = this.#options;
    for (let done = 0; done < bytes.length && this.next < this.end;) {
      const length = Math.min(BLOCK_BYTES, file.size - this.next * BLOCK_BYTES);
      const copied = bytes.copy(this.#block, this.#filled, done, done + length - this.#filled);
      done += copied;
      this.#filled += copied;
      if (this.#filled === length) await this.#store(length);
    }
  }

  async #store(length: number): Promise<void> {
    const { file, clock, onBlock } = this.#options;
    const block = this.next;
    // Also when it can't be written now: then all of it is fetched again.
    this.#filled = 0;
    await file.write(block * BLOCK_BYTES, this.#block.subarray(0, length));
    this.#failures = 0;
    this.next = block + 1;
    if (clock() - this.#syncedMs >= SYNC_MS) {
      await file.sync();
      this.#syncedMs = clock();
    }
    onBlock(block);
  }
}
