import type { Clock } from '../../../storage/clock.ts';

/** Longest wait before the clock is looked at again: it may be set meanwhile. */
const MAX_SLEEP_MS = 60_000;

export interface TokenBucketOptions {
  /** Bytes per second; 0: no limit. */
  readonly perSecond: number;
  readonly clock: Clock;
  /** Rejects with `aborted` when the signal fires first. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

/**
 * Keeps the sum of all transfers to a rate: what is taken is owed, and paid off at the rate. Nothing is
 * saved up while nothing is taken, so at any time at most one transfer is ahead of the rate.
 */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  #owed = 0;
  #atMs: number;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#atMs = options.clock();
  }

  /** Resolves when what was taken before is paid off. */
  async ready(signal?: AbortSignal): Promise<void> {
    const { perSecond, sleep } = this.#options;
    for (;;) {
      const owed = this.#pay();
      if (owed === 0) return;
      await sleep(Math.min(Math.ceil((owed / perSecond) * 1000), MAX_SLEEP_MS), signal);
    }
  }

  take(bytes: number): void {
    if (this.#options.perSecond === 0) return;
    this.#owed = this.#pay() + bytes;
  }

  /** What is still owed now. A clock that goes back pays nothing. */
  #pay(): number {
    const { perSecond, clock } = this.#options;
    const nowMs = clock();
    const paid = (Math.max(0, nowMs - this.#atMs) / 1000) * perSecond;
    this.#atMs = nowMs;
    this.#owed = Math.max(0, this.#owed - paid);
    return this.#owed;
  }
}
