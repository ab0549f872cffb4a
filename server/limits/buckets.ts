import type { RateConfig } from '../config.ts';

/** Milliseconds of any clock that never goes back. */
export type Ticks = () => number;

/** Keys in each of two generations: what a flood of new keys can make this remember at most. */
const MAX_KEYS = 50_000;

/**
 * Token buckets, one for each key, as the generic cell rate algorithm (ITU-T I.371): one number for
 * each key says when its bucket will be full again. Keys that were not seen for {@link MAX_KEYS} new
 * ones are forgotten, so that the memory is bounded; they begin anew with a full bucket.
 */
export class Buckets {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #now: Ticks;
  #recent = new Map<string, number>();
  #older = new Map<string, number>();

  /** `rate.perSecond` is more than 0. */
  constructor(rate: RateConfig, now: Ticks) {
    this.#intervalMs = 1000 / rate.perSecond;
    this.#toleranceMs = (rate.burst - 1) * this.#intervalMs;
    this.#now = now;
  }

  /** Takes a token. Returns 0, or for how many milliseconds there is none. */
  take(key: string): number {
    const now = this.#now();
    const fullAt = Math.max(this.#recent.get(key) ?? this.#older.get(key) ?? 0, now);
    const waitMs = Math.max(0, fullAt - now - this.#toleranceMs);
    // A caller that is refused is remembered too: else a flood of other keys would set it free.
    this.#remember(key, waitMs > 0 ? fullAt : fullAt + this.#intervalMs);
    return waitMs;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  #remember(key: string, fullAt: number): void {
    if (this.#recent.size >= MAX_KEYS && !this.#recent.has(key)) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, fullAt);
  }
}
