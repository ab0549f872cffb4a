import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { JobReport } from './builder.ts';
import { BuilderPool } from './builder-pool.ts';
import type { ServerConfig } from '../config.ts';
import { FormPlanner } from './form-planner.ts';
import { Housekeeping } from './housekeeping.ts';
import { MatrixPlanner } from './matrix-planner.ts';
import { OstreePlanner } from './ostree-planner.ts';
import type { Logger } from '../observe/logger.ts';
import type { OstreeRef } from '../../storage/ostree/ref-name.ts';
import type { Metrics } from '../observe/metrics.ts';
import { ImageReader } from '../updates/images.ts';

export interface MatrixOptions {
  readonly config: Pick<
    ServerConfig,
    'data' | 'store' | 'catalog' | 'matrix' | 'uploads' | 'logLevel' | 'zstdChunked'
  >;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'deltaBuilds' | 'deltaBuildSeconds'>;
  readonly clock: Clock;
  /** The builder threads' entry; default: `matrix-worker.js` beside this file, once compiled. */
  readonly workerUrl?: URL | undefined;
}

/** Plans the matrix and builds it. */
export interface MatrixService {
  /** Something changed: plan and build soon. Cheap; calls that come close together are one. */
  poke(): void;
  /**
   * Plans one tag now and wakes the builders: once it resolves, the pairs of a tag that was just
   * pushed are rows that anyone can see. Rejects with `StorageError`; the next turn plans it anyway.
   */
  plan(repo: RepoName, tag: Tag): Promise<void>;
  /** The same for the static deltas of a ref that was just moved. */
  planRef(repo: RepoName, ref: OstreeRef): Promise<void>;
  /** Stops planning and building; jobs that run are given back. */
  close(): Promise<void>;
}

/**
 * Starts to reconcile the matrix, on `poke` and every `reconcileMs`, and `matrix.builders` threads
 * that build it. Any number of processes may do so over one store and catalog.
 */
export function startMatrix(options: MatrixOptions): MatrixService {
  const { config, blobs, catalog, logger, metrics, clock } = options;
  const stop = new AbortController();
  const images = new ImageReader(blobs);
  const planner = new MatrixPlanner({
    catalog,
    images,
    matrix: config.matrix,
    logger,
    clock,
  });
  const { zstdChunked = [] } = config;
  const forms = new FormPlanner({ catalog, images, zstdChunked });
  const ostree = new OstreePlanner({ catalog, matrix: config.matrix, clock });
  const pool = new BuilderPool({
    builders: config.matrix.builders,
    data: {
      data: config.data,
      store: config.store,
      catalog: config.catalog,
      logLevel: config.logLevel,
      leaseMs: config.matrix.leaseMs,
      maxAttempts: config.matrix.maxAttempts,
    },
    workerUrl: options.workerUrl ?? new URL('./matrix-worker.js', import.meta.url),
    logger,
    onReport: (report) => {
      countJob(metrics, report);
    },
  });
  const turns = new Turns(config.matrix.reconcileMs, logger, async () => {
    const { signal } = stop;
    const images = await planner.reconcile({ signal });
    if (images.added + images.retired > 0) logger.info(images, 'matrix reconciled');
    const commits = await ostree.reconcile({ signal });
    if (commits.added + commits.retired > 0) logger.info(commits, 'static deltas reconciled');
    const added = await forms.reconcile({ signal });
    if (added > 0) logger.info({ added }, 'zstd:chunked forms planned');
    pool.poke();
  });
  const housekeeping = new Housekeeping({ ...options, signal: stop.signal });
  return {
    poke: () => {
      turns.poke();
    },
    plan: async (repo, tag) => {
      await planner.planTag(repo, tag, { signal: stop.signal });
      await forms.planTag(repo, tag, { signal: stop.signal });
      pool.poke();
    },
    planRef: async (repo, ref) => {
      await ostree.planRef(repo, ref);
      pool.poke();
    },
    close: async () => {
      stop.abort();
      await Promise.all([turns.close(), housekeeping.close(), pool.close()]);
    },
  };
}

function countJob(metrics: MatrixOptions['metrics'], report: JobReport): void {
  if (report.job === 'layer' || report.job === 'zstd-chunked') return;
  const kind = report.job === 'delta' ? 'image' : 'ostree';
  metrics.deltaBuilds.inc({ result: report.outcome, kind });
  metrics.deltaBuildSeconds.observe({ kind }, report.durationMs / 1000);
}

/** Runs a step now, every so often, and once more after each poke; never twice at once. */
class Turns {
  readonly #everyMs: number;
  readonly #logger: Logger;
  readonly #step: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(everyMs: number, logger: Logger, step: () => Promise<void>) {
    this.#everyMs = everyMs;
    this.#logger = logger;
    this.#step = step;
    this.poke();
  }

  poke(): void {
    if (this.#closed) return;
    if (this.#running === undefined) this.#running = this.#run();
    else this.#again = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    do {
      this.#again = false;
      try {
        await this.#step();
      } catch (error) {
        if (!this.#isClosed()) {
          this.#logger.error({ err: error }, 'the matrix was not reconciled; tried again later');
        }
      }
    } while (this.#isWantedAgain());
    this.#running = undefined;
    if (this.#isClosed()) return;
    this.#timer = setTimeout(() => {
      this.poke();
    }, this.#everyMs);
  }

  // Methods, since the compiler takes a field for unchanged across an await.

  #isWantedAgain(): boolean {
    return this.#again && !this.#closed;
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
