import type { CachedObjects } from '../../storage/catalog/cache-objects.ts';
import type { LiveVersions } from '../../storage/catalog/cache-live.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlobCache } from './blob-cache.ts';
import { LIVE_MS } from './live.ts';
import type { Releases } from './releases.ts';
import { Repeater } from './repeater.ts';
import { pinnedBlobs, wantedBlobs, type Wanted, type WantedBlob } from './wanted.ts';

export interface MirrorOptions {
  readonly releases: Releases;
  readonly live: LiveVersions;
  readonly objects: CachedObjects;
  readonly blobs: BlobCache;
  /** False: nothing is fetched ahead, but what live devices need is still not evicted. */
  readonly fetchAhead: boolean;
  readonly refreshMs: number;
  /** Bytes that are kept from eviction at most: the rest of the budget is for what is asked for. */
  readonly maxPinnedBytes: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Keeps up with the origin's releases and fetches ahead, one after the other, the deltas whose base
 * live devices of the region run.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #repeater: Repeater;
  #wanted: Wanted = { deltas: [], metadata: [], plans: [] };
  #pinned: ReadonlySet<Digest> = new Set();

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#repeater = new Repeater({
      everyMs: options.refreshMs,
      work: (signal) => this.#round(signal),
      logger: options.logger,
    });
  }

  /** What the plans of live devices fetch, as far as half of the budget goes: never evicted. */
  get pinned(): ReadonlySet<Digest> {
    return this.#pinned;
  }

  isPinned(digest: Digest): boolean {
    return this.#pinned.has(digest);
  }

  /** Starts with what is known from an earlier run. */
  async start(): Promise<void> {
    await this.#reconsider();
    this.#repeater.start();
  }

  /** A live version is new: its delta may be worth fetching now. */
  poke(): void {
    this.#repeater.poke();
  }

  async close(): Promise<void> {
    await this.#repeater.close();
  }

  /** Wanted deltas that are here and whole. */
  async mirrored(): Promise<readonly Digest[]> {
    const { deltas } = this.#wanted;
    const complete = await this.#options.objects.complete(deltas.map(({ digest }) => digest));
    return [...complete];
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { releases, logger } = this.#options;
    try {
      await releases.refresh({ signal });
    } catch (error) {
      if (signal.aborted) return;
      logger.debug({ err: error }, 'cannot refresh the releases');
    }
    await this.#reconsider();
    if (!this.#options.fetchAhead) return;
    const { metadata, deltas } = this.#wanted;
    const blobs = [...metadata, ...deltas];
    const complete = await this.#options.objects.complete(blobs.map(({ digest }) => digest));
    for (const blob of blobs) {
      if (complete.has(blob.digest)) continue;
      if (!(await this.#keep(blob, signal))) return;
    }
  }

  async #reconsider(): Promise<void> {
    const { releases, live, clock, maxPinnedBytes } = this.#options;
    const sinceMs = clock() - LIVE_MS;
    await live.prune(sinceMs);
    this.#wanted = wantedBlobs(releases.snapshot?.releases ?? [], await live.since(sinceMs));
    this.#pinned = pinnedBlobs(this.#wanted, maxPinnedBytes);
  }

  /** False when there is no point in going on. */
  async #keep({ digest, size }: WantedBlob, signal: AbortSignal): Promise<boolean> {
    const { blobs, logger } = this.#options;
    try {
      await blobs.keep(digest, size, { signal });
      logger.info({ digest, size }, 'mirrored');
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      logger.warn({ digest, err: error }, 'cannot mirror a blob');
      return !isStorageError(error, 'unavailable');
    }
  }
}
