import type { QueuedReport, ReportQueue } from '../../storage/catalog/cache-reports.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { OriginApi } from './origin-api.ts';
import { pauseAfter } from './retry.ts';

/** What is kept at most while the origin is gone. */
const BOUNDS = { count: 10_000, bytes: 64 * 1024 * 1024 } as const;
const PAUSES = { pauseMs: 1000, maxPauseMs: 60_000 } as const;
const MAX_RETRY_AFTER_S = 3600;
/** Statuses that say "not now" rather than "never". */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

export interface ReportSenderOptions {
  readonly queue: ReportQueue;
  readonly origin: OriginApi;
  readonly logger: Logger;
  readonly random?: (() => number) | undefined;
}

/**
 * Sends queued reports to the origin in the order they came, each once it was taken or refused for
 * good; after failures with growing, scattered pauses.
 */
export class ReportSender {
  readonly #options: ReportSenderOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #queued = 0;
  #dropped = 0;

  constructor(options: ReportSenderOptions) {
    this.#options = options;
  }

  /** Reports that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Reports lost since the start: pushed out by newer ones, or refused by the origin. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes up what an earlier run left. */
  async start(): Promise<void> {
    this.#queued = await this.#options.queue.count();
    this.#run();
  }

  /** Resolves once the report is durable. Throws `no_space`, `unavailable`. */
  async enqueue(report: Omit<QueuedReport, 'id'>): Promise<void> {
    const { queue, logger } = this.#options;
    const dropped = await queue.append(report, BOUNDS);
    this.#queued += 1 - dropped;
    this.#dropped += dropped;
    if (dropped > 0) logger.warn({ dropped }, 'the oldest reports are dropped: the queue is full');
    if (this.#timer === undefined) this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the cache stops'));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #run(): void {
    if (this.#running !== undefined || this.#abort.signal.aborted) return;
    this.#timer = undefined;
    this.#running = this.#drain()
      .catch((error: unknown) => {
        if (this.#abort.signal.aborted) return undefined;
        this.#options.logger.warn({ err: error }, 'cannot send reports: later again');
        return this.#pauseMs();
      })
      .then((pauseMs) => {
        this.#running = undefined;
        if (this.#abort.signal.aborted) return;
        if (pauseMs !== undefined)
          this.#timer = setTimeout(() => {
            this.#run();
          }, pauseMs).unref();
        else if (this.#queued > 0) this.#run();
      });
  }

  /** Sends until the queue is empty; else says after how long to go on. */
  async #drain(): Promise<number | undefined> {
    const { queue, logger } = this.#options;
    for (;;) {
      const report = await queue.oldest();
      if (report === undefined) {
        this.#queued = 0;
        return undefined;
      }
      const outcome = await this.#send(report);
      if (outcome.kind === 'later') return outcome.pauseMs;
      if (outcome.kind === 'refused') {
        this.#dropped += 1;
        const { decision, device } = report;
        logger.error({ decision, device, status: outcome.status }, 'the origin refused a report');
      }
      await queue.delete(report.id);
      this.#queued = Math.max(0, this.#queued - 1);
      this.#failures = 0;
    }
  }

  async #send({ decision, device, region, body }: QueuedReport): Promise<SendOutcome> {
    try {
      const { signal } = this.#abort;
      const { status, headers } = await this.#options.origin.report(decision, {
        device,
        region,
        body,
        signal,
      });
      if (LATER.has(status)) {
        const seconds = Number(headers['retry-after'] ?? NaN);
        const askedMs = Number.isFinite(seconds) ? Math.min(seconds, MAX_RETRY_AFTER_S) * 1000 : 0;
        return { kind: 'later', pauseMs: Math.max(askedMs, this.#pauseMs()) };
      }
      return status < 300 ? { kind: 'taken' } : { kind: 'refused', status };
    } catch (error) {
      if (!isStorageError(error, 'unavailable')) throw error;
      return { kind: 'later', pauseMs: this.#pauseMs() };
    }
  }

  #pauseMs(): number {
    this.#failures += 1;
    return pauseAfter(this.#failures, PAUSES, this.#options.random);
  }
}

type SendOutcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'later'; readonly pauseMs: number };
