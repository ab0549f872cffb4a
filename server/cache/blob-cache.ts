import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { StorageError, isStorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { ByteRange, IoOptions } from '../../storage/object-store.ts';
import { SparseFile } from '../../storage/sparse/sparse-store.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import { BlobEntry } from './blob-entry.ts';
import { BlobLease } from './blob-lease.ts';
import { BlockReads } from './block-reads.ts';
import { Eviction } from './eviction.ts';
import { Fill } from './fill.ts';
import type { RetryPolicy } from './retry.ts';
import type { UpstreamBlobs } from './upstream-blobs.ts';

/** Idle blobs that stay open. */
const MAX_IDLE_OPEN = 64;

export interface BlobCacheOptions {
  /** Folder of the sparse files; it holds nothing else. */
  readonly folder: string;
  readonly catalog: CacheCatalog;
  readonly blobs: UpstreamBlobs;
  readonly budgetBytes: number;
  /** Blobs that are never evicted. */
  readonly isPinned: (digest: Digest) => boolean;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'cacheRequests' | 'cacheFillInflight'>;
  readonly clock: Clock;
}

/** The blobs of a regional cache: sparse files that are filled from the origin as they are read. */
export class BlobCache {
  readonly #options: BlobCacheOptions;
  readonly #entries = new Map<Digest, BlobEntry>();
  readonly #reads = new BlockReads();
  readonly #sizes = new Map<string, Promise<number>>();
  readonly #eviction: Eviction;
  readonly #work = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: BlobCacheOptions) {
    this.#options = options;
    this.#eviction = new Eviction(options, {
      entries: this.#entries,
      remove: (digest, size) => this.#remove(digest, size),
    });
  }

  /**
   * Bytes of a blob: as known here, else as the origin says, asked once however many want to know.
   * Nothing is fetched. Throws `missing`, and what {@link UpstreamBlobs.size} throws.
   */
  async size(
    digest: Digest,
    options: IoOptions & { readonly repo?: RepoName | undefined },
  ): Promise<number> {
    const known = this.#entries.get(digest)?.fill?.file.size;
    if (known !== undefined) return known;
    const row = await this.#options.catalog.objects.get(digest);
    if (row !== undefined) return row.size;
    const key = `${options.repo ?? ''} ${digest}`;
    const running = this.#sizes.get(key);
    if (running !== undefined) return running;
    // Without the caller's signal: others wait for the same answer.
    const asked = this.#options.blobs
      .size(digest, { repo: options.repo })
      .finally(() => this.#sizes.delete(key));
    this.#sizes.set(key, asked);
    return asked;
  }

  /** Takes hold of a blob to read `first`, a range that is not empty. Release the lease. */
  async lease(digest: Digest, size: number, first: ByteRange): Promise<BlobLease> {
    const { blobs, retry, logger } = this.#options;
    const source = { blobs, digest, size, retry };
    const common = { source, reads: this.#reads, logger };
    let entry: BlobEntry;
    try {
      entry = await this.#hold(digest, size, first);
    } catch (error) {
      if (!isStorageError(error, 'no_space')) throw error;
      logger.warn({ digest, err: error }, 'no room: the blob passes through without being kept');
      this.#options.metrics.cacheRequests.inc({ result: 'miss' });
      const relieve = (): Promise<boolean> => Promise.resolve(false);
      return new BlobLease(
        { ...common, fill: undefined, relieve, onRelease: () => undefined },
        first,
      );
    }
    this.#countRequest(entry, first);
    const options = {
      ...common,
      fill: entry.fill,
      relieve: () => this.#relieve(entry),
      onRelease: () => {
        this.#release(entry);
      },
    };
    return new BlobLease(options, first);
  }

  /** Brings all of a blob here, if it is not yet, and checks it. */
  async keep(digest: Digest, size: number, { signal }: IoOptions): Promise<void> {
    if (size === 0) return;
    const range = { start: 0, endExclusive: size };
    const entry = await this.#hold(digest, size, range);
    const { fill } = entry;
    const reader = fill?.join(range);
    try {
      await fill?.verified(signal);
    } finally {
      if (reader !== undefined) fill?.leave(reader);
      this.#release(entry);
    }
  }

  /** Stops all fills and closes every file. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of this.#entries.values()) this.#background(entry, () => this.#shut(entry));
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#eviction.flush();
  }

  async #hold(digest: Digest, size: number, range: ByteRange): Promise<BlobEntry> {
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
    try {
      const fill = await entry.opening;
      await this.#reserve(entry, fill, range);
    } catch (error) {
      this.#release(entry);
      throw error;
    }
    this.#eviction.used(digest);
    return entry;
  }

  async #open(entry: BlobEntry, size: number): Promise<Fill> {
    const { folder, catalog, clock, metrics } = this.#options;
    const { digest } = entry;
    try {
      entry.row = await catalog.objects.get(digest);
      if (entry.row === undefined) {
        entry.row = { digest, size, bytes: 0, complete: false };
        await catalog.objects.put(entry.row, clock());
      }
      const file = await SparseFile.open(folder, digest, size);
      entry.fill = new Fill({
        ...this.#options,
        file,
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

  /** Makes room for what the range lacks; `no_space` when there is none within the budget. */
  async #reserve(entry: BlobEntry, fill: Fill, range: ByteRange): Promise<void> {
    const lacking = fill.file
      .missing(range)
      .reduce((sum, { start, endExclusive }) => sum + endExclusive - start, 0);
    if (lacking === 0) return;
    entry.reserved += lacking;
    if (await this.#eviction.fit(entry.digest)) return;
    entry.reserved -= lacking;
    throw new StorageError('no_space', `${entry.digest}: ${lacking} bytes do not fit the budget`);
  }

  /** After the disk turned out to be full. */
  async #relieve(entry: BlobEntry): Promise<boolean> {
    const lacking = (entry.fill?.file.size ?? 0) - (entry.fill?.file.presentBytes ?? 0);
    const freed = await this.#eviction.free(lacking, entry.digest);
    if (freed === 0) entry.unkept = true;
    return freed > 0;
  }

  #release(entry: BlobEntry): void {
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

  /** Closes a blob's file; it stays on disk. */
  async #shut(entry: BlobEntry): Promise<void> {
    await this.#go(entry, async (fill) => {
      await this.#note(entry, fill);
      await fill.file.close();
    });
  }

  /** Removes a blob, its row first: what has no row is removed at the next start. */
  async #discard(entry: BlobEntry): Promise<void> {
    await this.#go(entry, async (fill) => {
      await this.#options.catalog.objects.delete(entry.digest);
      await fill.file.remove();
    });
  }

  async #go(entry: BlobEntry, end: (fill: Fill) => Promise<void>): Promise<void> {
    if (entry.going !== undefined) return entry.going;
    const go = async (): Promise<void> => {
      try {
        const fill = await entry.opening;
        await fill.stop();
        this.#reads.forget(entry.digest);
        await end(fill);
      } finally {
        if (this.#entries.get(entry.digest) === entry) this.#entries.delete(entry.digest);
      }
    };
    entry.going = go();
    return entry.going;
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

  #countRequest(entry: BlobEntry, first: ByteRange): void {
    const file = entry.fill?.file;
    const part = (file?.presentBytes ?? 0) > 0 ? 'partial' : 'miss';
    const result = file?.has(first) === true ? 'hit' : part;
    this.#options.metrics.cacheRequests.inc({ result });
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
