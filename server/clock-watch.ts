import type { Clock } from '../storage/clock.ts';

/** What a clock may gain on the time that really passed, by NTP's corrections, without a doubt. */
const TOLERANCE_MS = 10_000;
const DAY_MS = 24 * 3_600_000;

export interface ClockWatchOptions {
  /** The machine's clock, which somebody may set. */
  readonly clock: Clock;
  /** Milliseconds that nobody can set, from any moment. */
  readonly uptime: Clock;
  /** The least time for which a clock that jumped is doubted. */
  readonly graceMs: number;
}

/**
 * Tells whether ages by the machine's clock are to be believed. A clock that jumped ahead makes everything
 * look old at once. So it is doubted for as long as it jumped, at most a day and at least the grace
 * period: what was young at the jump is really old by then, and somebody may have set the clock right.
 * One that went back makes things look young, which removes nothing.
 */
export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #wallMs: number;
  #uptimeMs: number;
  #doubtedUntilMs = -Infinity;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    this.#wallMs = options.clock();
    this.#uptimeMs = options.uptime();
  }

  /** Says that so much of what the clock tells to have passed is not known to have. */
  doubt(gainedMs: number): void {
    const waitMs = Math.max(this.#options.graceMs, Math.min(gainedMs, DAY_MS));
    this.#doubtedUntilMs = Math.max(this.#doubtedUntilMs, this.#options.uptime() + waitMs);
  }

  /** For how long ages are not to be believed yet, milliseconds; 0: they are. */
  doubtedMs(): number {
    const [wallMs, uptimeMs] = [this.#options.clock(), this.#options.uptime()];
    const gainedMs = wallMs - this.#wallMs - (uptimeMs - this.#uptimeMs);
    this.#wallMs = wallMs;
    this.#uptimeMs = uptimeMs;
    if (gainedMs > TOLERANCE_MS) this.doubt(gainedMs);
    return Math.max(0, this.#doubtedUntilMs - uptimeMs);
  }
}
