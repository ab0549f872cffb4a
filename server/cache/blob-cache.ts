import type { Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { ByteRange, IoOptions } from '../../storage/object-store.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { BlobEntry } from './blob-entry.ts';
import { BlobLease } from './blob-lease.ts';
import { BlockReads } from './block-reads.ts';
import { OpenBlobs, type OpenBlobsOptions } from './open-blobs.ts';
import type { OpenAtOrigin, OriginBlob } from './upstream-blobs.ts';

export interface BlobCacheOptions extends Omit<OpenBlobsOptions, 'reads' | 'metrics'> {
  readonly metrics: Pick<Metrics, 'cacheRequests' | 'cacheFillInflight'>;
}

/** The blobs of a regional cache: sparse files that are filled from the origin as they are read. */
export class BlobCache {
  readonly #options: BlobCacheOptions;
  readonly #open: OpenBlobs;
  readonly #reads = new BlockReads();
  readonly #sizes = new Map<string, Promise<number>>();

  constructor(options: BlobCacheOptions) {
    this.#options = options;
    this.#open = new OpenBlobs({ ...options, reads: this.#reads });
  }

  /**
   * Bytes of a blob: as known here, else as the origin says, asked once however many want to know.
   * Nothing is fetched. Throws `missing`, and what {@link UpstreamBlobs.size} throws.
   */
  async size(digest: Digest, repo?: RepoName): Promise<number> {
    const known = await this.#open.sizeOf(digest);
    if (known !== undefined) return known;
    const row = await this.#options.catalog.objects.get(digest);
    if (row !== undefined) return row.size;
    const key = `${repo ?? ''} ${digest}`;
    const running = this.#sizes.get(key);
    if (running !== undefined) return running;
    // Without the caller's signal: others wait for the same answer.
    const asked = this.#options.blobs.size(digest, { repo }).finally(() => this.#sizes.delete(key));
    this.#sizes.set(key, asked);
    return asked;
  }

  /**
   * Takes hold of a blob to read `first`, a range that is not empty. Release the lease. `fresh`: what is
   * here was fetched for this request, which is a miss.
   */
  async lease(blob: OriginBlob, first: ByteRange, fresh = false): Promise<BlobLease> {
    const { blobs, retry, logger } = this.#options;
    const { digest, size } = blob;
    const open: OpenAtOrigin = (range, options) => blobs.open(blob, range, options);
    const source = { open, digest, size, retry };
    const common = { source, reads: this.#reads, logger };
    let entry: BlobEntry;
    try {
      entry = await this.#open.hold(blob, first);
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
    this.#countRequest(entry, first, fresh);
    const options = {
      ...common,
      fill: entry.fill,
      relieve: () => this.#open.relieve(entry),
      onRelease: () => {
        this.#open.release(entry);
      },
    };
    return new BlobLease(options, first);
  }

  /** Brings all of a blob here, if it is not yet, and checks it. */
  async keep(digest: Digest, size: number, { signal }: IoOptions): Promise<void> {
    if (size === 0) return;
    const range = { start: 0, endExclusive: size };
    const entry = await this.#open.hold({ digest, size }, range);
    const { fill } = entry;
    const reader = fill?.join(range);
    try {
      await fill?.verified(signal);
    } finally {
      if (reader !== undefined) fill?.leave(reader);
      this.#open.release(entry);
    }
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

  /** Stops all fills and closes every file. */
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
