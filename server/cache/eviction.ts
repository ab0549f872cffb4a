import type { CacheCatalog } from '../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlobEntry } from './blob-entry.ts';

/** Blobs looked at in one step. */
const PAGE = 64;
/** Uses remembered in memory before they are written. */
const MAX_UNWRITTEN = 1000;

export interface EvictionOptions {
  readonly catalog: CacheCatalog;
  readonly budgetBytes: number;
  readonly isPinned: (digest: Digest) => boolean;
  /** Bytes that others keep within the same budget. */
  readonly otherBytes: () => number;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface EvictionTarget {
  /** Open blobs. */
  readonly entries: ReadonlyMap<Digest, BlobEntry>;
  /** Removes a blob; false when it is in use. */
  readonly remove: (digest: Digest, size: number) => Promise<boolean>;
}

/**
 * Keeps a cache within its budget: the least recently used blobs go first, never one that is read,
 * filled or pinned.
 */
export class Eviction {
  readonly #options: EvictionOptions;
  readonly #target: EvictionTarget;
  #used = new Map<Digest, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: EvictionOptions, target: EvictionTarget) {
    this.#options = options;
    this.#target = target;
  }

  /** Notes a use; written later, many at once. */
  used(digest: Digest): void {
    this.#used.set(digest, this.#options.clock());
    if (this.#used.size < MAX_UNWRITTEN) return;
    void this.flush();
  }

  /** Writes the uses down; on a full disk they are lost, which costs no more than a worse choice. */
  async flush(): Promise<void> {
    const used = this.#used;
    this.#used = new Map();
    try {
      await this.#options.catalog.objects.touch(used);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot write which blobs were used');
    }
  }

  /** Removes blobs until all that is here, and reserved, is within the budget; false if that can't be. */
  async fit(keep: Digest): Promise<boolean> {
    return this.#inTurn(async () => {
      const { budgetBytes, otherBytes } = this.#options;
      const excess = (await this.#bytes()) + otherBytes() - budgetBytes;
      return excess <= 0 || (await this.#evict(excess, keep)) >= excess;
    });
  }

  /** Removes blobs of at least so many bytes, if there are; returns the bytes that went. */
  async free(bytes: number, keep: Digest): Promise<number> {
    return this.#inTurn(() => this.#evict(bytes, keep));
  }

  async #bytes(): Promise<number> {
    let { bytes } = await this.#options.catalog.objects.totals();
    for (const entry of this.#target.entries.values()) bytes += entry.extraBytes;
    return bytes;
  }

  async #evict(wanted: number, keep: Digest): Promise<number> {
    const { catalog, isPinned, logger } = this.#options;
    await this.flush();
    let freed = 0;
    let passed = 0;
    while (freed < wanted) {
      const page = await catalog.objects.leastRecent(PAGE, passed);
      if (page.length === 0) break;
      for (const { digest, size, bytes } of page) {
        passed += 1;
        if (digest === keep || isPinned(digest)) continue;
        if (!(await this.#target.remove(digest, size))) continue;
        passed -= 1;
        freed += bytes;
        logger.debug({ digest, bytes }, 'evicted');
        if (freed >= wanted) break;
      }
    }
    return freed;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work, work);
    this.#turn = run.catch(() => undefined);
    return run;
  }
}
