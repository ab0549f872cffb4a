import { Presets, SingleBar } from 'cli-progress';

const BAR_FORMAT = '{what} [{bar}] {percentage}% {value}/{total} bytes, {rate} kB/s, {left} left';

/** A bar on a terminal for one piece of work after the other. */
export class ProgressBar {
  readonly #bar: SingleBar;
  readonly #nowMs: () => number;
  #what: string | undefined;
  /** Where it began, for the rate: what was here already took no time. */
  #startMs = 0;
  #startBytes = 0;

  constructor(stream: NodeJS.WritableStream, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#bar = new SingleBar(
      { stream, format: BAR_FORMAT, hideCursor: false },
      Presets.shades_classic,
    );
  }

  update(what: string, done: number, total: number): void {
    if (this.#what !== what) {
      this.stop();
      this.#startMs = this.#nowMs();
      this.#startBytes = done;
      this.#bar.start(total, done, { what, ...this.#pace(done, total) });
      this.#what = what;
    }
    this.#bar.setTotal(total);
    this.#bar.update(done, { what, ...this.#pace(done, total) });
  }

  /** The rate since the beginning, and what it makes of the rest. */
  #pace(done: number, total: number): { readonly rate: string; readonly left: string } {
    const seconds = (this.#nowMs() - this.#startMs) / 1000;
    const perSecond = seconds > 0 ? (done - this.#startBytes) / seconds : 0;
    const left = perSecond > 0 ? `${Math.ceil((total - done) / perSecond)} s` : '-';
    return { rate: Math.round(perSecond / 1000).toString(), left };
  }

  stop(): void {
    if (this.#what !== undefined) this.#bar.stop();
    this.#what = undefined;
  }
}
