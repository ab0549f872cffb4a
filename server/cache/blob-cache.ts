import type { Digest } from '../../storage/digest.ts';
import type { RepoName } from '../../storage/names.ts';
import type { ByteRange, IoOptions } from '../../storage/object-store.ts';
import { BUFFER_BYTES } from '../http/send-blob.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { BlobEntry } from './blob-entry.ts';
import { BlobLease, type BlobLeaseOptions } from './blob-lease.ts';
import { BlockReads } from './block-reads.ts';
import { OpenBlobs, type OpenBlobsOptions } from './open-blobs.ts';
import { passReason } from './store-away.ts';
import type { OpenAtOrigin, OriginBlob } from './upstream-blobs.ts';

export interface BlobCacheOptions extends Omit<OpenBlobsOptions, 'reads' | 'metrics'> {
  readonly metrics: Pick<Metrics, 'cacheRequests' | 'cacheFillInflight' | 'cachePassed'>;
}

/** Bytes of the buffers of all transfers together; each has its share, within bounds. */
const ALL_BUFFERS_BYTES = 16 * 1024 * 1024;
const MIN_BUFFER_BYTES = 16 * 1024;

/** The blobs of a regional cache: sparse ones that are filled from the origin as they are read. */
export class BlobCache {
  readonly #options: BlobCacheOptions;
  readonly #open: OpenBlobs;
  readonly #reads: BlockReads;
  readonly #sizes = new Map<string, Promise<number>>();
  #leases = 0;
  #waiting = 0;

  constructor(options: BlobCacheOptions) {
    this.#options = options;
    this.#reads = new BlockReads(options.clock);
    this.#open = new OpenBlobs({ ...options, reads: this.#reads });
  }

  /**
   * Bytes of a blob: as known here, else as the origin says, asked once however many want to know.
   * Nothing is fetched. Throws `missing`, and what {@link UpstreamBlobs.size} throws.
   */
  async size(digest: Digest, repo?: RepoName): Promise<number> {
    const known = await this.knownSize(digest);
    if (known !== undefined) return known;
    const key = `${repo ?? ''} ${digest}`;
    const running = this.#sizes.get(key);
    if (running !== undefined) return running;
    // Without the caller's signal: others wait for the same answer.
    const path = repo === undefined ? undefined : `/v2/${repo}/blobs/${digest}`;
    const asked = this.#options.blobs.size(digest, { path }).finally(() => this.#sizes.delete(key));
    this.#sizes.set(key, asked);
    return asked;
  }

  /** Bytes of a blob of which something is here. */
  async knownSize(digest: Digest): Promise<number | undefined> {
    const open = await this.#open.sizeOf(digest);
    return open ?? (await this.#options.catalog.objects.get(digest))?.size;
  }

  /**
   * Takes hold of a blob to read `first`, a range that is not empty. Release the lease. `fresh`: what is
   * here was fetched for this request, which is a miss.
   */
  async lease(blob: OriginBlob, first: ByteRange, fresh = false): Promise<BlobLease> {
    const { blobs, retry, logger, metrics } = this.#options;
    const { digest, size } = blob;
    const open: OpenAtOrigin = (range, options) => (blob.from ?? blobs).open(blob, range, options);
    const source = { open, digest, size, retry };
    let passes = false;
    const onPass = (why: unknown): void => {
      const reason = passReason(why);
      if (passes || reason === undefined) return;
      passes = true;
      logger.debug({ digest, err: why }, 'the blob passes through without being kept');
      metrics.cachePassed.inc({ reason });
    };
    const common = { source, reads: this.#reads, logger, onPass };
    let entry: BlobEntry;
    try {
      entry = await this.#open.hold(blob, first);
    } catch (unkept) {
      const reason = passReason(unkept);
      if (reason === undefined) throw unkept;
      // A bucket that is away was told of when it went.
      if (reason === 'no_space') {
        logger.warn({ digest, err: unkept }, 'no room: the blob passes through without being kept');
      }
      metrics.cacheRequests.inc({ result: 'miss' });
      const relieve = (): Promise<boolean> => Promise.resolve(false);
      const lease = { ...common, fill: undefined, unkept, relieve };
      return this.#lend(lease, first, () => undefined);
    }
    this.#countRequest(entry, first, fresh);
    const relieve = (): Promise<boolean> => this.#open.relieve(entry);
    const waits = entry.fill?.file.has(first) === false ? 1 : 0;
    this.#waiting += waits;
    const lease = { ...common, fill: entry.fill, unkept: undefined, relieve };
    return this.#lend(lease, first, () => {
      this.#waiting -= waits;
      this.#open.release(entry);
    });
  }

  #lend(
    options: Omit<BlobLeaseOptions, 'onRelease' | 'bufferBytes'>,
    first: ByteRange,
    onRelease: () => void,
  ): BlobLease {
    this.#leases += 1;
    const bufferBytes = (): number => {
      const share = Math.floor(ALL_BUFFERS_BYTES / this.#leases);
      return Math.min(Math.max(MIN_BUFFER_BYTES, share), BUFFER_BYTES);
    };
    const release = (): void => {
      this.#leases -= 1;
      onRelease();
    };
    return new BlobLease({ ...options, bufferBytes, onRelease: release }, first);
  }

  /**
   * All bytes of a blob that is here, whole and right; undefined when it is not, `large` when it has
   * more than `maxBytes`. Counts as a use.
   */
  async readSmall(digest: Digest, maxBytes: number): Promise<Buffer | 'large' | undefined> {
    const row = await this.#options.catalog.objects.get(digest);
    if (row !== undefined && row.size > maxBytes) return 'large';
    if (row?.complete !== true || row.size === 0) return undefined;
    const range = { start: 0, endExclusive: row.size };
    const entry = await this.#open.hold(row, range);
    try {
      const file = entry.fill?.file;
      if (file?.verified !== true) return undefined;
      const parts: Buffer[] = [];
      for await (const part of file.read(range)) parts.push(part);
      return Buffer.concat(parts);
    } finally {
      this.#open.release(entry);
    }
  }

  /** Brings all of a blob here, if it is not yet, and checks it. */
  async keep(blob: OriginBlob, { signal }: IoOptions): Promise<void> {
    if (blob.size === 0) return;
    const range = { start: 0, endExclusive: blob.size };
    const entry = await this.#open.hold(blob, range);
    const { fill } = entry;
    const reader = fill?.join(range);
    try {
      await fill?.verified(signal);
      await this.#open.note(entry);
    } finally {
      if (reader !== undefined) fill?.leave(reader);
      this.#open.release(entry);
    }
  }

  /**
   * Brings a range of a blob here that is not empty, as far as it is not yet: `admit` is asked first, with
   * the bytes that it takes. False when that says no.
   */
  async keepRange(
    blob: OriginBlob,
    range: ByteRange,
    { admit, signal }: { readonly admit: (bytes: number) => Promise<boolean> } & IoOptions,
  ): Promise<boolean> {
    const entry = await this.#open.hold(blob, range);
    try {
      const { fill } = entry;
      const gaps = fill?.file.missing(range) ?? [];
      if (fill === undefined || gaps.length === 0) return true;
      const lacking = gaps.reduce((sum, { start, endExclusive }) => sum + endExclusive - start, 0);
      if (!(await admit(lacking))) return false;
      const reader = fill.join(range);
      try {
        for (let block = reader.first; block < reader.end; block += 1) {
          await fill.ready(reader, block, signal);
        }
      } finally {
        fill.leave(reader);
      }
      await this.#open.note(entry);
      return true;
    } finally {
      this.#open.release(entry);
    }
  }

  /** True if these ranges of a blob are here, or all of it; they may end past the blob. */
  has(digest: Digest, ranges: readonly ByteRange[]): Promise<boolean> {
    return this.#open.has(digest, ranges);
  }

  /** Readers that began with bytes that were not here. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a blob's first bytes, which somebody has fetched: whole blocks, or all of it. */
  async begin(blob: OriginBlob, bytes: Buffer): Promise<void> {
    const entry = await this.#open.hold(blob, { start: 0, endExclusive: bytes.length });
    try {
      await entry.fill?.file.write(0, bytes);
    } finally {
      this.#open.release(entry);
    }
  }

  /** True while the blob is open. */
  isOpen(digest: Digest): boolean {
    return this.#open.isOpen(digest);
  }

  /** Stops all fills and closes every blob. */
  async close(): Promise<void> {
    await this.#open.close();
  }

  #countRequest(entry: BlobEntry, first: ByteRange, fresh: boolean): void {
    const file = entry.fill?.file;
    const part = !fresh && (file?.presentBytes ?? 0) > 0 ? 'partial' : 'miss';
    const result = !fresh && file?.has(first) === true ? 'hit' : part;
    this.#options.metrics.cacheRequests.inc({ result });
  }
}
