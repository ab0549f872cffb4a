import { Worker, type ResourceLimits } from 'node:worker_threads';

import type { JobReport } from './builder.ts';
import type { ServerConfig } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import type { StoreLocation } from '../open-store.ts';

/** What a builder thread is started with. */
export interface BuilderThreadData extends StoreLocation {
  readonly logLevel: ServerConfig['logLevel'];
  readonly leaseMs: number;
  readonly maxAttempts: number;
  /** Threads of the pool, which share the machine. */
  readonly builders: number;
  /** Its place in the pool, for logs. */
  readonly builder: number;
}

/** `poke`: there may be work. `stop`: give the job back and end. */
export type BuilderMessage = 'poke' | 'stop';

export interface BuilderPoolOptions {
  readonly builders: number;
  readonly data: Omit<BuilderThreadData, 'builder' | 'builders'>;
  /** The thread's entry. */
  readonly workerUrl: URL;
  readonly logger: Logger;
  readonly onReport: (report: JobReport) => void;
}

/**
 * What a builder's heap may take: V8 lets the space for young objects grow to 48 MB, which makes chunking no
 * faster; the delta engine encodes on threads of its own.
 */
export const BUILDER_HEAP: ResourceLimits = { maxYoungGenerationSizeMb: 6 };

const FIRST_RESTART_MS = 500;
const LAST_RESTART_MS = 60_000;
/** How long a stopping thread may take to give its job back. */
const STOP_MS = 10_000;

/** Threads that build. One that dies is logged and started again, later each time it dies young. */
export class BuilderPool {
  readonly #builders: readonly BuilderSlot[];

  constructor(options: BuilderPoolOptions) {
    this.#builders = Array.from(
      { length: options.builders },
      (_, place) => new BuilderSlot(options, place),
    );
  }

  /** Tells idle builders that there may be work. */
  poke(): void {
    for (const builder of this.#builders) builder.poke();
  }

  /** Stops every builder; their jobs' rows are given back. */
  async close(): Promise<void> {
    await Promise.all(this.#builders.map((builder) => builder.close()));
  }
}

/** One place in the pool: the thread that runs, or the timer that starts the next. */
class BuilderSlot {
  readonly #options: BuilderPoolOptions;
  readonly #place: number;
  #thread: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restartMs = FIRST_RESTART_MS;
  #closing = false;

  constructor(options: BuilderPoolOptions, place: number) {
    this.#options = options;
    this.#place = place;
    this.#start();
  }

  poke(): void {
    this.#send('poke');
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restart);
    const thread = this.#thread;
    if (thread === undefined) return;
    const exited = new Promise<void>((resolve) => {
      thread.once('exit', () => {
        resolve();
      });
    });
    this.#send('stop');
    const deadline = setTimeout(() => {
      this.#options.logger.warn(
        { builder: this.#place },
        'a builder did not stop in time; its row is taken again when its lease ends',
      );
      void thread.terminate();
    }, STOP_MS);
    await exited;
    clearTimeout(deadline);
  }

  #send(message: BuilderMessage): void {
    this.#thread?.postMessage(message);
  }

  #start(): void {
    const { workerUrl, builders, data, logger, onReport } = this.#options;
    const workerData: BuilderThreadData = { ...data, builders, builder: this.#place };
    const name = `builder-${this.#place}`;
    const thread = new Worker(workerUrl, { workerData, name, resourceLimits: BUILDER_HEAP });
    this.#thread = thread;
    thread.on('message', (report: JobReport) => {
      this.#restartMs = FIRST_RESTART_MS;
      onReport(report);
    });
    thread.on('error', (error) => {
      logger.error({ err: error, builder: this.#place }, 'a builder thread crashed');
    });
    thread.once('exit', (code) => {
      this.#thread = undefined;
      if (!this.#closing) this.#startLater(code);
    });
  }

  #startLater(code: number): void {
    const delayMs = this.#restartMs;
    this.#restartMs = Math.min(delayMs * 2, LAST_RESTART_MS);
    this.#options.logger.warn(
      { builder: this.#place, code, delayMs },
      'a builder thread ended; another is started',
    );
    this.#restart = setTimeout(() => {
      this.#start();
    }, delayMs);
  }
}
