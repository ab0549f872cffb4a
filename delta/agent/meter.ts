import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';

/**
 * Counts what an update costs on the wire: bytes that arrive, and once per blob those that an
 * interrupted run had left.
 */
export class Meter {
  readonly #counted = new Set<Digest>();
  #total = 0;
  #resumedAt: number | undefined;

  get total(): number {
    return this.#total;
  }

  /** The byte at which a download went on last. */
  get resumedAt(): number | undefined {
    return this.#resumedAt;
  }

  /** Notes that a blob is worked on, and how much of it was there; later calls count nothing. */
  found(digest: Digest, bytes: number): void {
    if (this.#counted.has(digest)) return;
    this.#counted.add(digest);
    this.#total += bytes;
  }

  received(bytes: number): void {
    this.#total += bytes;
  }

  resumed(at: number): void {
    this.#resumedAt = at;
  }
}

/** Holds downloads to a rate. */
export class Pacer {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** Waits as long as `bytes` take at the rate; returns at once when there is none. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === 0) return;
    const now = this.#clock();
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (bytes * 1000) / this.#bytesPerSecond;
    await sleep(this.#freeAtMs - now, undefined, { signal });
  }
}
