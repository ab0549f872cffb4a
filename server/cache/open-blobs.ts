import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { sparseHas } from '../../storage/sparse/sparse-has.ts';
import type { SparseStore } from '../../storage/sparse/sparse-store.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { BlobEntry } from './blob-entry.ts';
import type { BlockReads } from './block-reads.ts';
import { Eviction } from './eviction.ts';
import { Fill } from './fill.ts';
import type { RetryPolicy } from './retry.ts';
import type { OriginBlob, UpstreamBlobs } from './upstream-blobs.ts';

/** Idle blobs that stay open. */
const MAX_IDLE_OPEN = 64;

export interface OpenBlobsOptions {
  readonly store: SparseStore;
  /** Throws `StoreAwayError` while the store takes nothing. */
  readonly assertWritable: () => void;
  readonly catalog: CacheCatalog;
  readonly blobs: UpstreamBlobs;
  readonly budgetBytes: number;
  /** Blobs that are never evicted. */
  readonly isPinned: (digest: Digest) => boolean;
  /** Bytes that others keep within the same budget. */
  readonly otherBytes: () => number;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'cacheFillInflight'>;
  readonly reads: BlockReads;
  readonly clock: Clock;
}

/** The sparse blobs that are open: each once, kept open and in place while somebody holds it. */
export class OpenBlobs {
  readonly #options: OpenBlobsOptions;
  readonly #entries = new Map<Digest, BlobEntry>();
  readonly #eviction: Eviction;
  readonly #work = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: OpenBlobsOptions) {
    this.#options = options;
    this.#eviction = new Eviction(options, {
      entries: this.#entries,
      remove: (digest, size) => this.#remove(digest, size),
    });
  }

  isOpen(digest: Digest): boolean {
    return this.#entries.has(digest);
  }

  /** Bytes of the blob, if it is open. */
  async sizeOf(digest: Digest): Promise<number | undefined> {
    await this.#entries.get(digest)?.going;
    return this.#entries.get(digest)?.fill?.file.size;
  }

  /** True if these ranges of a blob are here, or all of it; they may end past the blob. */
  async has(digest: Digest, ranges: readonly ByteRange[]): Promise<boolean> {
    const row = await this.#options.catalog.objects.get(digest);
    if (row === undefined || row.complete) return row !== undefined;
    const { size } = row;
    const within = ranges.flatMap(({ start, endExclusive }) =>
      start < size ? [{ start, endExclusive: Math.min(endExclusive, size) }] : [],
    );
    const open = this.#entries.get(digest)?.fill?.file;
    if (open !== undefined) return within.every((range) => open.has(range));
    return sparseHas(this.#options.store, row, within);
  }

  /**
   * Takes hold of a blob, opens it if need be and makes room for what the range lacks. Throws
   * `no_space` when there is none, `unavailable`, `StoreAwayError`. Release it.
   */
  async hold({ digest, size, path, from }: OriginBlob, range: ByteRange): Promise<BlobEntry> {
    let entry = this.#entries.get(digest);
    while (entry?.going !== undefined) {
      await entry.going;
      entry = this.#entries.get(digest);
    }
    if (this.#closed) throw new StorageError('unavailable', 'the cache is closing');
    if (entry === undefined) {
      entry = new BlobEntry(digest, (fresh) => this.#open(fresh, size));
      this.#entries.set(digest, entry);
    }
    entry.hold();
    if (path !== undefined) [entry.path, entry.from] = [path, from];
    try {
      const fill = await entry.opening;
      await this.#reserve(entry, fill, range);
    } catch (error) {
      this.release(entry);
      throw error;
    }
    this.#eviction.used(digest);
    return entry;
  }

  async #open(entry: BlobEntry, size: number): Promise<Fill> {
    const { store, catalog, blobs, clock, metrics } = this.#options;
    const { digest } = entry;
    try {
      entry.row = await catalog.objects.get(digest);
      if (entry.row === undefined) {
        entry.row = { digest, size, bytes: 0, complete: false };
        await catalog.objects.put(entry.row, clock());
      }
      const file = await store.open(digest, size);
      entry.fill = new Fill({
        ...this.#options,
        file,
        open: (range, options) => {
          const { path, from = blobs } = entry;
          return from.open({ digest, size, path }, range, options);
        },
        onBusy: (busy) => {
          if (busy) metrics.cacheFillInflight.inc();
          else metrics.cacheFillInflight.dec();
          if (!busy) this.#background(entry, () => this.#settle(entry));
        },
        onBroken: () => {
          this.#background(entry, () => this.#discard(entry));
        },
      });
      entry.fill.resume();
      return entry.fill;
    } catch (error) {
      this.#entries.delete(digest);
      throw error;
    }
  }

  /**
   * Makes room for what the range lacks; `no_space` when there is none within the budget, `StoreAwayError`
   * when the store takes nothing.
   */
  async #reserve(entry: BlobEntry, fill: Fill, range: ByteRange): Promise<void> {
    const lacking = fill.file
      .missing(range)
      .reduce((sum, { start, endExclusive }) => sum + endExclusive - start, 0);
    if (lacking === 0) return;
    this.#options.assertWritable();
    entry.reserved += lacking;
    if (await this.#eviction.fit(entry.digest)) return;
    entry.reserved -= lacking;
    throw new StorageError('no_space', `${entry.digest}: ${lacking} bytes do not fit the budget`);
  }

  /** Writes down what a blob has now, for those who ask the catalog. */
  async note(entry: BlobEntry): Promise<void> {
    if (entry.fill !== undefined && entry.going === undefined) await this.#note(entry, entry.fill);
  }

  /** After the disk turned out to be full. */
  async relieve(entry: BlobEntry): Promise<boolean> {
    const lacking = (entry.fill?.file.size ?? 0) - (entry.fill?.file.presentBytes ?? 0);
    const freed = await this.#eviction.free(lacking, entry.digest);
    if (freed === 0) entry.unkept = true;
    return freed > 0;
  }

  release(entry: BlobEntry): void {
    if (entry.release()) this.#background(entry, () => this.#settle(entry));
  }

  /** Writes down what a blob has now; closes or removes it when that is due. */
  async #settle(entry: BlobEntry): Promise<void> {
    const { fill } = entry;
    if (fill === undefined || entry.going !== undefined) return;
    if (entry.unkept && entry.idle) {
      await this.#discard(entry);
      return;
    }
    await this.#note(entry, fill);
    const idle = [...this.#entries.values()].filter((other) => other.idle);
    if (entry.idle && idle.length > MAX_IDLE_OPEN) await this.#shut(entry);
  }

  async #note(entry: BlobEntry, fill: Fill): Promise<void> {
    const { catalog, clock } = this.#options;
    const { digest, size, presentBytes, complete, verified } = fill.file;
    const row = { digest, size, bytes: presentBytes, complete: complete && verified };
    if (entry.row?.bytes === row.bytes && entry.row.complete === row.complete) return;
    entry.row = row;
    await catalog.objects.put(row, clock());
  }

  /** Closes a blob; it stays where it is. */
  async #shut(entry: BlobEntry): Promise<void> {
    await this.#go(entry, async (fill) => {
      await this.#note(entry, fill);
      await fill.file.close();
    });
  }

  /** Removes a blob; its bytes first, since a full disk may have no room to remove the row. */
  async #discard(entry: BlobEntry): Promise<void> {
    await this.#go(entry, async (fill) => {
      await fill.file.remove();
      await this.#options.catalog.objects.delete(entry.digest);
    });
  }

  async #go(entry: BlobEntry, end: (fill: Fill) => Promise<void>): Promise<void> {
    if (entry.going !== undefined) {
      await entry.going;
      return;
    }
    const gone = (async (): Promise<void> => {
      try {
        const fill = await entry.opening;
        await fill.stop();
        this.#options.reads.forget(entry.digest);
        await end(fill);
      } finally {
        if (this.#entries.get(entry.digest) === entry) this.#entries.delete(entry.digest);
      }
    })();
    // Who only waits for the entry to be gone is not concerned by how it went.
    entry.going = gone.catch(() => undefined);
    await gone;
  }

  /** For eviction: removes an idle blob, opened for it if need be. False when it is in use. */
  async #remove(digest: Digest, size: number): Promise<boolean> {
    let entry = this.#entries.get(digest);
    if (entry === undefined) {
      entry = new BlobEntry(digest, (fresh) => this.#open(fresh, size));
      this.#entries.set(digest, entry);
      await entry.opening;
    }
    if (!entry.idle) return false;
    await this.#discard(entry);
    return true;
  }

  /** Stops all fills and closes every blob. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of this.#entries.values()) this.#background(entry, () => this.#shut(entry));
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#eviction.flush();
  }

  /** Work that nobody waits for; what it throws is logged. */
  #background(entry: BlobEntry, work: () => Promise<void>): void {
    const done = work()
      .catch((error: unknown) => {
        this.#options.logger.warn({ digest: entry.digest, err: error }, 'cannot settle a blob');
      })
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}
