import type { Clock } from '../../storage/clock.ts';

/** After a failure the origin counts as gone for so long, for requests that would rather not wait. */
const HOLD_OFF_MS = 1000;

/** When the origin was last heard from, and whether it is there. */
export class Reachability {
  readonly #clock: Clock;
  #contactMs: number | undefined;
  #failedMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False after a failure, until the origin answers again; undefined before the first try. */
  get reachable(): boolean | undefined {
    if (this.#failedMs !== undefined) return false;
    return this.#contactMs === undefined ? undefined : true;
  }

  /** Milliseconds since the epoch; undefined before the first answer. */
  get contactMs(): number | undefined {
    return this.#contactMs;
  }

  /** True shortly after a failure: another try now would only make its client wait. */
  get holdingOff(): boolean {
    return this.#failedMs !== undefined && this.#clock() - this.#failedMs < HOLD_OFF_MS;
  }

  answered(): void {
    this.#contactMs = this.#clock();
    this.#failedMs = undefined;
  }

  failed(): void {
    this.#failedMs = this.#clock();
  }
}
