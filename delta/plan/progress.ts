/** How a build's time is shared out, roughly: reading, comparing, compressing. */
const SHARES = { read: 0.1, compare: 0.5, encode: 0.4 } as const;

/** Turns bytes done in each phase into one ascending fraction. */
export class BuildProgress {
  readonly #total: number;
  readonly #onProgress: ((fraction: number) => void) | undefined;
  readonly #done = { read: 0, compare: 0, encode: 0 };
  #reported = 0;

  /** `total`: bytes of all outputs that are built. */
  constructor(total: number, onProgress: ((fraction: number) => void) | undefined) {
    this.#total = Math.max(total, 1);
    this.#onProgress = onProgress;
  }

  add(phase: keyof typeof SHARES, bytes: number): void {
    this.#set(phase, this.#done[phase] + bytes);
  }

  /** Reading and comparing of the outputs up to here are over, however many bytes they took. */
  planned(bytes: number): void {
    this.#set('read', bytes);
    this.#set('compare', bytes);
  }

  #set(phase: keyof typeof SHARES, bytes: number): void {
    this.#done[phase] = Math.min(bytes, this.#total);
    let fraction = 0;
    for (const [name, share] of Object.entries(SHARES) as [keyof typeof SHARES, number][]) {
      fraction += (share * this.#done[name]) / this.#total;
    }
    if (fraction <= this.#reported) return;
    this.#reported = Math.min(fraction, 1);
    this.#onProgress?.(this.#reported);
  }
}
