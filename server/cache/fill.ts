import type { Clock } from '../../storage/clock.ts';
import { abortedError } from '../../storage/durable.ts';
import { StorageError, type StorageErrorCode } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import type { SparseBlob } from '../../storage/sparse/sparse-blob.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';
import type { Logger } from '../observe/logger.ts';
import { FetchRun } from './fetch-run.ts';
import type { RetryPolicy } from './retry.ts';
import type { OpenAtOrigin } from './upstream-blobs.ts';
import { Waiters } from './waiters.ts';

/** Connections to the origin for one blob. */
const MAX_RUNS = 4;
/** A run that is no further than this from a wanted block will bring it soon enough. */
const NEAR_BLOCKS = 4;
/** A blob is given up when one of its blocks goes bad on disk that often, or so many do together. */
const MAX_BLOCK_FAULTS = 3;
const MAX_BLOB_FAULTS = 32;

/** What is at the origin now is another blob. */
const OTHER_BLOB: ReadonlySet<StorageErrorCode> = new Set(['size_mismatch', 'digest_mismatch']);

/** Somebody who reads a range of the blob, or waits for all of it. */
export interface Reader {
  readonly first: number;
  /** Block after the last one. */
  readonly end: number;
  readonly whole: boolean;
}

export interface FillOptions {
  readonly file: SparseBlob;
  readonly open: OpenAtOrigin;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** Fetches have begun where there were none, or the last one ended. */
  readonly onBusy: (busy: boolean) => void;
  /** The blob turned out to be wrong: every reader has failed, and the file must go. */
  readonly onBroken: (error: StorageError) => void;
}

/**
 * Brings a blob's blocks from the origin: each once, however many wait for it, and first those that
 * somebody waits for.
 *
 * What is fetched: the blocks that a reader waits for, up to the end of its range; an earlier run that
 * is far from them gives them up to a new one. The rest of the blob only while somebody reads it
 * whole, or once a whole read has begun and more than half of the blob is there. Readers of ranges
 * alone never cause more than their blocks. When all blocks are there the digest is checked; a
 * whole reader's last block waits for that. A wrong digest breaks every reader.
 */
export class Fill {
  readonly file: SparseBlob;
  readonly #options: FillOptions;
  readonly #readers = new Set<Reader>();
  readonly #blockWaiters = new Waiters<{ readonly block: number; readonly end: number }>();
  readonly #verifiedWaiters = new Waiters<undefined>();
  readonly #runs = new Map<FetchRun, Promise<void>>();
  readonly #abort = new AbortController();
  /** Somebody has read, or asked to keep, the whole blob. */
  #begun = false;
  /** The last run failed; nothing is fetched until somebody waits for a block again. */
  #paused = false;
  #verifying: Promise<void> | undefined;
  /** How often each was bad when it was looked at, since the blob was last right. */
  readonly #blockFaults = new Map<unknown, number>();
  #broken: StorageError | undefined;
  #busy = false;

  constructor(options: FillOptions) {
    this.#options = options;
    this.file = options.file;
  }

  /** True while something is fetched or checked. */
  get busy(): boolean {
    return this.#runs.size > 0 || this.#verifying !== undefined;
  }

  /** Announces a reader of a range that is not empty; it must leave. */
  join(range: ByteRange): Reader {
    const whole = range.start === 0 && range.endExclusive === this.file.size;
    const reader: Reader = {
      first: Math.floor(range.start / BLOCK_BYTES),
      end: Math.ceil(range.endExclusive / BLOCK_BYTES),
      whole,
    };
    this.#readers.add(reader);
    if (whole) {
      this.#begun = true;
      this.#paused = false;
    }
    return reader;
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
    for (const run of this.#runs.keys()) {
      if (!this.#isWanted(run)) run.end = Math.min(run.end, run.next + 1);
    }
    this.#pump();
  }

  /**
   * Resolves when the reader's next block can be read; for the last block of a whole reader, and
   * for any block once all are there, when the blob is also known to be right. Throws what the fetch
   * threw, or `digest_mismatch`.
   */
  async ready(reader: Reader, block: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    if (!this.file.has(this.#bytesOf(block))) {
      this.#paused = false;
      const waiting = this.#blockWaiters.wait({ block, end: reader.end }, signal);
      this.#pump();
      await waiting;
    }
    if (this.file.complete || (reader.whole && block === reader.end - 1)) {
      await this.verified(signal);
    }
  }

  /** Resolves when all of the blob is there and its digest is right. */
  async verified(signal: AbortSignal | undefined): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.file.complete && this.file.verified) return;
    this.#paused = false;
    const waiting = this.#verifiedWaiters.wait(undefined, signal);
    this.#pump();
    await waiting;
  }

  /** Begins what is due without anybody waiting: the check of a file that a crash left unchecked. */
  resume(): void {
    this.#pump();
  }

  /** Stops; whoever waits gets `aborted`. Resolves when nothing is written any more; the file stays open. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('the cache stops'));
    this.#failAll(abortedError(this.#abort.signal, this.file.digest));
    await Promise.all([...this.#runs.values(), this.#verifying]);
  }

  /** Starts what is due; called at every change. */
  #pump(): void {
    if (!this.#abort.signal.aborted) this.#startDue();
    if (this.#busy === this.busy) return;
    this.#busy = this.busy;
    this.#options.onBusy(this.#busy);
  }

  #startDue(): void {
    for (const { block, end } of this.#blockWaiters.keys()) this.#demand(block, end);
    if (this.#runs.size === 0 && this.#restIsWanted()) {
      const [gap] = this.file.missing();
      if (gap !== undefined) {
        this.#start(gap.start / BLOCK_BYTES, Math.ceil(gap.endExclusive / BLOCK_BYTES));
      }
    }
    if (this.#runs.size === 0 && this.file.complete && !this.file.verified) this.#verify();
  }

  /** Sees to it that a block is on its way. */
  #demand(block: number, end: number): void {
    let limit = end;
    for (const run of this.#runs.keys()) {
      if (run.next <= block && block < run.end) {
        if (block - run.next < NEAR_BLOCKS || this.#runs.size >= MAX_RUNS) return;
        limit = Math.min(limit, run.end);
        run.end = block;
      } else if (run.next > block) {
        limit = Math.min(limit, run.next);
      }
    }
    if (this.#runs.size >= MAX_RUNS) return;
    const range = {
      start: block * BLOCK_BYTES,
      endExclusive: this.#bytesOf(limit - 1).endExclusive,
    };
    const [gap] = this.file.missing(range);
    if (gap?.start === range.start) this.#start(block, Math.ceil(gap.endExclusive / BLOCK_BYTES));
  }

  #start(next: number, end: number): void {
    const run = new FetchRun(
      {
        ...this.#options,
        onBlock: (block) => {
          this.#arrived(block);
        },
      },
      next,
      end,
    );
    const ended = run.run(this.#abort.signal).then(
      () => {
        this.#runs.delete(run);
      },
      (error: unknown) => {
        this.#runs.delete(run);
        this.#failed(error);
      },
    );
    this.#runs.set(
      run,
      ended.then(() => {
        this.#pump();
      }),
    );
  }

  #arrived(block: number): void {
    this.#blockWaiters.resolve((waiting) => waiting.block === block);
  }

  /** Fails those whom no other run will serve. */
  #failed(error: unknown): void {
    this.#paused = true;
    if (!this.#abort.signal.aborted) {
      this.#options.logger.warn({ digest: this.file.digest, err: error }, 'a fill broke off');
    }
    const served = (block: number): boolean =>
      [...this.#runs.keys()].some((run) => run.next <= block && block < run.end);
    this.#blockWaiters.reject(({ block }) => !served(block), error);
    this.#verifiedWaiters.reject(() => true, error);
    if (error instanceof StorageError && OTHER_BLOB.has(error.code)) this.#break(error);
  }

  #verify(): void {
    if (this.#verifying !== undefined) return;
    const { file, logger } = this.#options;
    const check = async (): Promise<void> => {
      try {
        if (await file.verify({ signal: this.#abort.signal })) {
          this.#blockFaults.clear();
          this.#verifiedWaiters.resolve(() => true);
          return;
        }
        logger.error({ digest: file.digest }, 'the origin sent wrong bytes: nothing is kept');
        this.#break(
          new StorageError('digest_mismatch', `${file.digest}: the origin's bytes are others`, {
            detail: { digest: file.digest },
          }),
        );
      } catch (error) {
        if (error instanceof StorageError && error.code === 'corrupt' && this.#bears(error)) {
          logger.warn({ digest: file.digest, err: error }, 'a damaged block is fetched again');
        } else {
          this.#failed(error);
        }
      }
    };
    this.#verifying = check().finally(() => {
      this.#verifying = undefined;
      this.#pump();
    });
  }

  /** Counts a damaged block; false when it is time to give up. */
  #bears({ detail }: StorageError): boolean {
    const { start } = { start: undefined, ...detail };
    const faults = (this.#blockFaults.get(start) ?? 0) + 1;
    this.#blockFaults.set(start, faults);
    const all = [...this.#blockFaults.values()].reduce((sum, count) => sum + count, 0);
    return faults < MAX_BLOCK_FAULTS && all < MAX_BLOB_FAULTS;
  }

  /** More than the waited-for blocks is fetched. */
  #restIsWanted(): boolean {
    if (this.#paused || this.file.complete) return false;
    for (const { whole } of this.#readers) if (whole) return true;
    return this.#begun && this.file.presentBytes * 2 > this.file.size;
  }

  #isWanted(run: FetchRun): boolean {
    if (this.#restIsWanted()) return true;
    for (const { first, end } of this.#readers) if (first < run.end && run.next < end) return true;
    return false;
  }

  #break(error: StorageError): void {
    this.#broken = error;
    this.#abort.abort(error);
    this.#failAll(error);
    this.#options.onBroken(error);
  }

  #failAll(error: unknown): void {
    this.#blockWaiters.reject(() => true, error);
    this.#verifiedWaiters.reject(() => true, error);
  }

  #bytesOf(block: number): ByteRange {
    const start = block * BLOCK_BYTES;
    return { start, endExclusive: Math.min(start + BLOCK_BYTES, this.file.size) };
  }
}
