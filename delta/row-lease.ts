import { isStorageError } from '../storage/errors.ts';

/** A third: two renewals may fail before the lease runs out. */
const RENEWALS_PER_LEASE = 3;
/** At least this often, since a renewal also shows how far the work is. */
const RENEW_MS = 1000;

/** Renews a row's lease while work goes on, and stops the work once the lease is lost. */
export class RowLease {
  readonly #leaseMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #renew: () => Promise<void>;
  readonly #lost = new AbortController();

  constructor(
    options: { readonly leaseMs: number; readonly signal?: AbortSignal | undefined },
    renew: () => Promise<void>,
  ) {
    this.#leaseMs = options.leaseMs;
    this.#outer = options.signal;
    this.#renew = renew;
  }

  get isLost(): boolean {
    return this.#lost.signal.aborted;
  }

  /**
   * Runs `work` under the lease; its signal fires when the lease is lost or the outer signal fires.
   * A renewal that fails for another reason (the database is away) is tried again at the next turn:
   * whether the lease still holds is decided when the row is finished.
   */
  async hold<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signals = [this.#lost.signal, ...(this.#outer === undefined ? [] : [this.#outer])];
    let renewal: Promise<void> = Promise.resolve();
    const timer = setInterval(
      () => {
        renewal = this.#renewOnce();
      },
      Math.min(this.#leaseMs / RENEWALS_PER_LEASE, RENEW_MS),
    );
    try {
      return await work(AbortSignal.any(signals));
    } finally {
      clearInterval(timer);
      await renewal;
    }
  }

  async #renewOnce(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (isStorageError(error, 'conflict')) this.#lost.abort(error);
    }
  }
}
