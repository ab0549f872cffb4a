import { randomUUID } from 'node:crypto';
import type { Worker } from 'node:cluster';

import { HttpError } from './http/errors.ts';
import type { Metrics } from './observe/metrics.ts';
import { MergedMetrics, type ProcessMetrics } from './observe/merged-metrics.ts';

/** Between the primary and its serving processes: whichever is asked answers for all of them. */
export type MetricsMessage =
  /** To the primary: `/metrics` was asked for. */
  | { readonly kind: 'scrape'; readonly id: string }
  /** To each serving process. */
  | { readonly kind: 'count' }
  /** To the primary, the answer to `count`. */
  | { readonly kind: 'counted'; readonly metrics: ProcessMetrics }
  /** To who asked. */
  | { readonly kind: 'scraped'; readonly id: string; readonly text: string };

/** A serving process that takes longer counts with what it said last. */
const COUNT_MS = 2000;
const SCRAPE_MS = 5000;

/** The primary's side. */
export class ClusterMetrics {
  readonly #own: Metrics;
  readonly #workers: () => readonly Worker[];
  readonly #merged = new MergedMetrics();
  readonly #waiting = new Map<number, () => void>();

  /** `workers`: those that run now. */
  constructor(own: Metrics, workers: () => readonly Worker[]) {
    this.#own = own;
    this.#workers = workers;
  }

  async handle(worker: Worker, message: MetricsMessage): Promise<void> {
    if (message.kind === 'counted') {
      this.#merged.report(worker.id, message.metrics);
      this.#waiting.get(worker.id)?.();
    } else if (message.kind === 'scrape') {
      const answer: MetricsMessage = {
        kind: 'scraped',
        id: message.id,
        text: await this.#scrape(),
      };
      if (worker.isConnected()) worker.send(answer);
    }
  }

  /** A serving process ended; what it counted stays. */
  async ended(worker: Worker): Promise<void> {
    this.#waiting.get(worker.id)?.();
    await this.#merged.ended(worker.id);
  }

  async #scrape(): Promise<string> {
    this.#merged.report(0, await this.#own.registry.getMetricsAsJSON());
    await Promise.all(this.#workers().map((worker) => this.#count(worker)));
    return this.#merged.render();
  }

  /** Resolves once the process has answered, ended, or taken too long. */
  #count(worker: Worker): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#waiting.get(worker.id);
      const done = (): void => {
        clearTimeout(timer);
        if (this.#waiting.get(worker.id) === done) this.#waiting.delete(worker.id);
        before?.();
        resolve();
      };
      const timer = setTimeout(done, COUNT_MS);
      this.#waiting.set(worker.id, done);
      if (worker.isConnected()) worker.send({ kind: 'count' } satisfies MetricsMessage);
      else done();
    });
  }
}

/**
 * A serving process's side: answers the primary, and returns how to ask it for everything. That
 * throws `unavailable` when the primary takes too long.
 */
export function joinClusterMetrics(own: Metrics): () => Promise<string> {
  const waiting = new Map<string, (text: string) => void>();
  const send = (message: MetricsMessage): void => {
    process.send?.(message);
  };
  process.on('message', (message: MetricsMessage) => {
    if (message.kind === 'scraped') waiting.get(message.id)?.(message.text);
    if (message.kind !== 'count') return;
    void own.registry.getMetricsAsJSON().then((metrics) => {
      send({ kind: 'counted', metrics });
    });
  });
  return () =>
    new Promise((resolve, reject) => {
      const id = randomUUID();
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new HttpError('unavailable', 'the primary process does not answer'));
      }, SCRAPE_MS);
      waiting.set(id, (text) => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(text);
      });
      send({ kind: 'scrape', id });
    });
}
