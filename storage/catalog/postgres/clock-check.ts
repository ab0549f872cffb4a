import { performance } from 'node:perf_hooks';

import { StorageError } from '../../errors.ts';

/** Two nodes that are right by this are less than the last minute of a condemnation apart, see `gc/blobs.ts`. */
const MAX_APART_MS = 30_000;
/** A clock that was right is not asked again for so long. */
const BELIEVED_MS = 10_000;

/** Milliseconds since 1970 by the database's clock. */
type AskDatabase = () => Promise<number>;

/**
 * Compares this machine's clock with the database's. While a collector removes a blob nobody may name it, and
 * each node tells by its own clock until when: so nodes whose clocks are apart neither name nor collect.
 */
export class ClockCheck {
  readonly #where: string;
  #rightAt = -Infinity;

  constructor(where: string) {
    this.#where = where;
  }

  /** Throws `unavailable` when the clocks are more than half a minute apart. */
  async check(ask: AskDatabase): Promise<void> {
    const at = performance.now();
    if (at - this.#rightAt < BELIEVED_MS) return;
    const before = Date.now();
    const theirs = await ask();
    const after = Date.now();
    // What the answer took may have been before the database looked, or after.
    const aheadMs = before > theirs ? before - theirs : Math.min(0, after - theirs);
    if (Math.abs(aheadMs) <= MAX_APART_MS) {
      this.#rightAt = at;
      return;
    }
    const seconds = Math.round(Math.abs(aheadMs) / 1000);
    throw new StorageError(
      'unavailable',
      `this machine’s clock is ${seconds} seconds ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${this.#where}: set it (NTP); until then nothing is pushed, built or collected here`,
      { detail: { where: this.#where, aheadMs }, retryable: true },
    );
  }
}
