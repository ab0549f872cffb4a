import type { LiveCommit, LiveCommits } from '../../storage/catalog/cache-live-commits.ts';
import type { LiveVersion, LiveVersions } from '../../storage/catalog/cache-live.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Logger } from '../observe/logger.ts';

/** A version that is alive is written again only after this long: a check costs no disk sync. */
const WRITE_AGAIN_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** A version that no device was seen with for so long is not mirrored any more. */
export const LIVE_MS = 30 * 24 * 3_600_000;

export interface LiveTrackerOptions {
  readonly versions: LiveVersions;
  readonly commits: LiveCommits;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Told of a version that was not known before. */
  readonly onNew: () => void;
}

/** Notes which versions devices of the region run. */
export class LiveTracker {
  readonly #options: LiveTrackerOptions;
  readonly #written = new Map<string, number>();

  constructor(options: LiveTrackerOptions) {
    this.#options = options;
  }

  /** A note that can't be written does not fail the request that brought it. */
  async seen(version: LiveVersion): Promise<void> {
    const { product, channel, platform, current } = version;
    const key = JSON.stringify([product, channel, platform, current]);
    await this.#note(key, (nowMs) => this.#options.versions.seen(version, nowMs));
  }

  /** As {@link seen}. */
  async seenCommit(commit: LiveCommit): Promise<void> {
    const key = JSON.stringify([commit.repo, commit.ref, commit.checksum]);
    await this.#note(key, (nowMs) => this.#options.commits.seen(commit, nowMs));
  }

  async #note(key: string, write: (nowMs: number) => Promise<boolean>): Promise<void> {
    const { clock, onNew, logger } = this.#options;
    const nowMs = clock();
    if (nowMs - (this.#written.get(key) ?? -Infinity) < WRITE_AGAIN_MS) return;
    if (this.#written.size >= MAX_REMEMBERED) this.#written.clear();
    this.#written.set(key, nowMs);
    try {
      if (await write(nowMs)) onNew();
    } catch (error) {
      this.#written.delete(key);
      logger.warn({ err: error }, 'cannot note a live version');
    }
  }
}
