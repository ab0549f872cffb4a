import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';

import { ClusterMetrics, joinClusterMetrics, type MetricsMessage } from './cluster-metrics.ts';
import { Collector } from './collector.ts';
import type { ServerConfig } from './config.ts';
import { MatrixPlanner } from './matrix/matrix-planner.ts';
import { startMatrix } from './matrix/matrix-service.ts';
import { OstreePlanner } from './matrix/ostree-planner.ts';
import { openStore } from './open-store.ts';
import { createLogger, type Logger } from './observe/logger.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { serveOrigin, type Running } from './origin.ts';
import type { MatrixHandle } from './origin-routes.ts';
import { ImageReader } from './updates/images.ts';

/** From a serving process to the primary. */
type WorkerMessage =
  { readonly kind: 'listening'; readonly url: string } | { readonly kind: 'poke' } | MetricsMessage;

const RESTART_MS = 1000;
/** Tells a serving process which free port the first of them took. */
const PORT_VARIABLE = 'RIVULET_TAKEN_PORT';

/**
 * Runs an origin in several processes: this one keeps the matrix and collects, `config.workers` others serve one
 * address. A serving process that dies is replaced.
 */
export async function runPrimary(
  config: ServerConfig,
): Promise<Running & { readonly url: string }> {
  const logger = createLogger(config.logLevel);
  const store = await openStore(config);
  const { blobs, catalog } = store;
  const metrics = createMetrics();
  const matrix = startMatrix({ config, blobs, catalog, logger, metrics, clock: Date.now });
  const collector = new Collector({ config, store, logger, clock: Date.now });
  const servers = new ServingProcesses(logger, metrics, () => {
    matrix.poke();
  });
  const close = async (): Promise<void> => {
    await servers.close();
    await collector.close();
    await matrix.close();
    await store.close();
  };
  try {
    return { url: await servers.start(config.workers), close };
  } catch (error) {
    await close();
    throw error;
  }
}

class ServingProcesses {
  readonly #logger: Logger;
  readonly #metrics: ClusterMetrics;
  readonly #onPoke: () => void;
  #closing = false;
  /** Known once the first process listens; another one must not take another free port. */
  #port: string | undefined;

  constructor(logger: Logger, metrics: Metrics, onPoke: () => void) {
    this.#logger = logger;
    this.#metrics = new ClusterMetrics(metrics, workersNow);
    this.#onPoke = onPoke;
  }

  /** Resolves to the address once all of them answer. */
  async start(count: number): Promise<string> {
    const urls = await Promise.all(Array.from({ length: count }, () => this.#fork()));
    const [url] = urls;
    if (url === undefined) throw new RangeError('an origin needs a serving process');
    this.#port = new URL(url).port;
    return url;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(
      workersNow().map(async (worker) => {
        const exited = once(worker, 'exit');
        worker.process.kill('SIGTERM');
        await exited;
      }),
    );
  }

  #fork(): Promise<string> {
    const known = this.#port === undefined ? {} : { [PORT_VARIABLE]: this.#port };
    const worker: Worker = cluster.fork(known);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'listening') resolve(message.url);
        else if (message.kind === 'poke') this.#onPoke();
        else this.#logFailure(this.#metrics.handle(worker, message));
      });
      worker.once('exit', (code, signal) => {
        this.#logFailure(this.#metrics.ended(worker));
        reject(
          new Error(`a serving process ended with ${describeEnd(code, signal)} before it answered`),
        );
        if (this.#closing) return;
        this.#logger.error({ pid: worker.process.pid, code, signal }, 'a serving process ended');
        setTimeout(() => {
          if (!this.#closing) this.#refork();
        }, RESTART_MS);
      });
    });
  }

  #logFailure(step: Promise<void>): void {
    step.catch((error: unknown) => {
      this.#logger.error({ err: error }, 'the metrics of the serving processes were not merged');
    });
  }

  #refork(): void {
    this.#fork().catch((error: unknown) => {
      this.#logger.error({ err: error }, 'a serving process did not start');
    });
  }
}

function workersNow(): readonly Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}

/** The types promise both, Node gives one. */
function describeEnd(code: number | null, signal: string | null): string {
  return signal === null ? `code ${code}` : signal;
}

/** The life of one serving process: it answers until it is told to end. */
export async function runServingWorker(
  config: ServerConfig,
  untilSignal: () => Promise<void>,
): Promise<void> {
  const logger = createLogger(config.logLevel);
  const store = await openStore(config);
  const { blobs, catalog } = store;
  const tell = (message: WorkerMessage): void => {
    process.send?.(message);
  };
  const planner = new MatrixPlanner({
    catalog,
    images: new ImageReader(blobs),
    matrix: config.matrix,
    logger,
    clock: Date.now,
  });
  const ostree = new OstreePlanner({ catalog, matrix: config.matrix, clock: Date.now });
  const matrix: MatrixHandle = {
    poke: () => {
      tell({ kind: 'poke' });
    },
    async plan(repo, tag) {
      await planner.planTag(repo, tag);
      tell({ kind: 'poke' });
    },
    async planRef(repo, ref) {
      await ostree.planRef(repo, ref);
      tell({ kind: 'poke' });
    },
  };
  const metrics = createMetrics();
  const scrape = joinClusterMetrics(metrics);
  const server = await serveOrigin({
    config: withTakenPort(config),
    store,
    matrix,
    logger,
    metrics,
    scrape,
  });
  tell({ kind: 'listening', url: server.url });
  await untilSignal();
  await server.close();
  await store.close();
  cluster.worker?.disconnect();
}

function withTakenPort(config: ServerConfig): ServerConfig {
  const taken = process.env[PORT_VARIABLE];
  if (taken === undefined) return config;
  return { ...config, listen: { ...config.listen, port: Number(taken) } };
}
