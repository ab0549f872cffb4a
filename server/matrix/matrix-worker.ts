import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

import { sharedLimits } from '../../delta/engine/engine.ts';
import { runBuilder } from './builder.ts';
import type { BuilderMessage, BuilderThreadData } from './builder-pool.ts';
import { createLogger } from '../observe/logger.ts';
import { openStore, scratchFolder } from '../open-store.ts';

/** The entry of a builder thread: its own store and catalog, one job at a time until told to stop. */
async function main(data: BuilderThreadData): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError('matrix-worker runs as a worker thread only');
  const logger = createLogger(data.logLevel).child({ builder: data.builder });
  const stop = new AbortController();
  let poked = new AbortController();
  port.on('message', (message: BuilderMessage) => {
    if (message === 'stop') stop.abort();
    poked.abort();
  });

  const store = await openStore(data);
  try {
    await runBuilder({
      work: {
        blobs: store.blobs,
        catalog: store.catalog,
        scratch: scratchFolder(data.data),
        leaseMs: data.leaseMs,
        maxAttempts: data.maxAttempts,
        clock: Date.now,
        signal: stop.signal,
        engineLimits: sharedLimits(data.builders),
        onNotice: (line) => {
          logger.info(line);
        },
      },
      owner: `${hostname()}:${process.pid}:${randomBytes(6).toString('hex')}`,
      logger,
      onReport: (report) => {
        port.postMessage(report);
      },
      idle: async (ms) => {
        if (stop.signal.aborted) return;
        // A poke during the last claims has aborted this already: then there is nothing to wait for.
        const { signal } = poked;
        await sleep(ms, undefined, { signal }).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
        if (signal.aborted) poked = new AbortController();
      },
    });
  } finally {
    await store.close();
    port.close();
  }
}

await main(workerData as BuilderThreadData);
