export interface RetryBudgetOptions {
  /** Retries that may follow each other at once; 40 unless given. */
  readonly capacity?: number | undefined;
  /** What a request that succeeds gives back; 0.1 unless given: a tenth of all traffic may be retries. */
  readonly perSuccess?: number | undefined;
  /** What a second gives back, so that a quiet store is tried again too; 0.5 unless given. */
  readonly perSecond?: number | undefined;
  /** Milliseconds that only go up; for tests. */
  readonly now?: (() => number) | undefined;
}

/**
 * Keeps an outage from being multiplied: each retry of any caller takes one token from a bucket that
 * success and time fill again. Once it is empty, failures go straight to the callers until the store
 * answers again. Shared by all requests to one store.
 */
export class RetryBudget {
  readonly #capacity: number;
  readonly #perSuccess: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor(options: RetryBudgetOptions = {}) {
    this.#capacity = options.capacity ?? 40;
    this.#perSuccess = options.perSuccess ?? 0.1;
    this.#perSecond = options.perSecond ?? 0.5;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = this.#capacity;
    this.#filledAt = this.#now();
  }

  /** False when there is nothing left to retry with. */
  take(): boolean {
    const now = this.#now();
    this.#give(((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** A request succeeded at its first try. */
  succeeded(): void {
    this.#give(this.#perSuccess);
  }

  #give(tokens: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + tokens);
  }
}
