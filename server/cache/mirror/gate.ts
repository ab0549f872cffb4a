import { nextOpenMs, type InstallWindow } from '../../../delta/agent/window.ts';
import type { Clock } from '../../../storage/clock.ts';
import { TokenBucket, type TokenBucketOptions } from './token-bucket.ts';

/** What devices wait for goes first, but does not hold up what is fetched ahead for longer than this. */
const MAX_YIELD_MS = 5000;
const YIELD_STEP_MS = 100;

export interface MirrorGateOptions {
  /** Undefined: always open. */
  readonly window: InstallWindow | undefined;
  /** Bytes per second; 0: no limit. */
  readonly maxBps: number;
  /** How many readers wait for bytes that are not here. */
  readonly demand: () => number;
  readonly sleep: TokenBucketOptions['sleep'];
  readonly clock: Clock;
}

/** When, and how fast, something may be fetched ahead. */
export class MirrorGate {
  readonly #options: MirrorGateOptions;
  readonly #bucket: TokenBucket;

  constructor(options: MirrorGateOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket({ ...options, perSecond: options.maxBps });
  }

  get open(): boolean {
    const { window, clock } = this.#options;
    const nowMs = clock();
    return window === undefined || nextOpenMs([window], nowMs) === nowMs;
  }

  /** When it is open next, now if it is; undefined: never again. */
  get opensMs(): number | undefined {
    const { window, clock } = this.#options;
    return nextOpenMs(window === undefined ? [] : [window], clock());
  }

  /**
   * Waits for those who wait, and for what was taken before, and takes so many bytes. False: the window
   * is closed, and nothing may be fetched.
   */
  async admit(bytes: number, signal: AbortSignal): Promise<boolean> {
    const { demand, sleep } = this.#options;
    for (let waitedMs = 0; demand() > 0 && waitedMs < MAX_YIELD_MS; waitedMs += YIELD_STEP_MS) {
      await sleep(YIELD_STEP_MS, signal);
    }
    await this.#bucket.ready(signal);
    if (!this.open) return false;
    this.#bucket.take(bytes);
    return true;
  }
}
