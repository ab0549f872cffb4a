import { randomUUID } from 'node:crypto';

import type { Lease } from '../storage/catalog/layer-catalog.ts';
import type { Clock } from '../storage/clock.ts';
import { ClockWatch } from './clock-watch.ts';
import { collect } from './collect.ts';
import type { ServerConfig } from './config.ts';
import type { Logger } from './observe/logger.ts';
import type { OpenedStore } from './open-store.ts';

/** The catalog is asked this often whether it is time, or more often where runs are closer together. */
const ASK_MS = 60_000;
/** A collector that was killed is followed by another one after this. */
const LEASE_MS = 60_000;
const RENEWALS = 3;

export interface CollectorOptions {
  readonly config: Pick<ServerConfig, 'gc' | 'matrix' | 'retention'>;
  readonly store: Pick<OpenedStore, 'blobs' | 'catalog'>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time that nobody can set; the process's unless given. */
  readonly uptime?: Clock | undefined;
  /** As long as the lease of a turn lasts unless it is renewed; a minute unless given. */
  readonly leaseMs?: number | undefined;
}

/**
 * Collects garbage by itself, every `gc.everyMs` as the catalog counts it, with the rules of retention:
 * of all origins over one catalog the one that has the turn. What fails is logged, and tried again at
 * the next turn. Nothing runs where `gc.everyMs` is 0, nor while the clock is in doubt: it jumped ahead, or
 * since the last run far more time has passed than lies between two (see `ClockWatch`).
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #owner = randomUUID();
  readonly #watch: ClockWatch;
  #isFirst = true;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
    const { config, clock, uptime = () => performance.now() } = options;
    this.#watch = new ClockWatch({ clock, uptime, graceMs: config.gc.graceMs });
    if (options.config.gc.everyMs > 0) this.#next(0);
  }

  /** Ends a run between two steps; all that was done stands. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the origin stops'));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #next(inMs: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#turn().finally(() => {
        this.#next(Math.min(this.#options.config.gc.everyMs, ASK_MS));
      });
    }, inMs);
  }

  async #turn(): Promise<void> {
    const { config, store, logger, leaseMs = LEASE_MS } = this.#options;
    const { gc } = store.catalog;
    try {
      if (await this.#isDoubted()) return;
      const lease = await gc.beginRun(this.#owner, { everyMs: config.gc.everyMs, leaseMs });
      if (lease !== undefined) await this.#collect(lease, leaseMs);
    } catch (error) {
      if (!this.#stop.signal.aborted) logger.error({ err: error }, 'garbage collection failed');
    }
  }

  async #isDoubted(): Promise<boolean> {
    const { config, store, logger, clock } = this.#options;
    if (this.#isFirst) {
      const { everyMs, graceMs } = config.gc;
      const lastMs = (await store.catalog.gc.lastRunMs()) ?? clock();
      const unknownMs = clock() - lastMs - 2 * everyMs - graceMs;
      if (unknownMs > 0) this.#watch.doubt(unknownMs);
      this.#isFirst = false;
    }
    const doubtedMs = this.#watch.doubtedMs();
    if (doubtedMs === 0) return false;
    logger.warn(
      { doubtedMs },
      'the clock went ahead by more than is known to have passed: nothing is collected yet; if it is wrong, set it (NTP)',
    );
    return true;
  }

  /** The next run is not sooner after one that failed; one that was stopped is another origin's to end. */
  async #collect(lease: Lease, leaseMs: number): Promise<void> {
    const { config, store, logger, clock } = this.#options;
    const { gc } = store.catalog;
    const lost = new AbortController();
    const renewal = setInterval(() => {
      gc.renewRun(lease, leaseMs).catch((error: unknown) => {
        lost.abort(error);
      });
    }, leaseMs / RENEWALS);
    const signal = AbortSignal.any([this.#stop.signal, lost.signal]);
    const { graceMs } = config.gc;
    try {
      const options = { store, config, clock, graceMs, retention: true, dryRun: false, signal };
      const { retained, report } = await collect(options);
      const { tags, manifests } = retained ?? {};
      logger.info({ ...report, tags, manifests }, 'garbage was collected');
    } finally {
      clearInterval(renewal);
      if (!lost.signal.aborted) await gc.endRun(lease, !this.#stop.signal.aborted);
    }
  }
}
