import type { Logger } from '../observe/logger.ts';

export interface RepeaterOptions {
  readonly everyMs: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}

/** Does something at once, then again and again with a pause between; sooner when it is poked. */
export class Repeater {
  readonly #options: RepeaterOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #again = false;

  constructor(options: RepeaterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#run();
  }

  /** Does it now, or once more after the turn that is running. */
  poke(): void {
    if (this.#running === undefined) this.#run();
    else this.#again = true;
  }

  /** Stops, and waits for the turn that is running. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the cache stops'));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #run(): void {
    if (this.#abort.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#again = false;
    const { work, everyMs, logger } = this.#options;
    this.#running = work(this.#abort.signal)
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) logger.warn({ err: error }, 'background work failed');
      })
      .then(() => {
        this.#running = undefined;
        if (this.#abort.signal.aborted) return;
        if (this.#again) this.#run();
        else
          this.#timer = setTimeout(() => {
            this.#run();
          }, everyMs).unref();
      });
  }
}
