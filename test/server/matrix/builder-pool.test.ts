import { expect, onTestFinished, test } from 'vitest';

import { BUILDER_HEAP, BuilderPool } from '../../../server/matrix/builder-pool.ts';
import { createLogger } from '../../../server/observe/logger.ts';

/** A builder that tells at each poke what it was started with, and crashes then if it has one attempt. */
const THREAD = `
  import { parentPort, resourceLimits, threadId, workerData } from 'node:worker_threads';
  parentPort.on('message', (message) => {
    if (message === 'stop') process.exit();
    parentPort.postMessage({ resourceLimits, threadId, workerData });
    if (workerData.maxAttempts === 1) throw new Error('crashes');
  });`;

interface Told {
  readonly resourceLimits: { readonly maxYoungGenerationSizeMb: number };
  readonly threadId: number;
  readonly workerData: { readonly builder: number; readonly builders: number };
}

function startPool(
  builders: number,
  maxAttempts: number,
  onReport: (told: Told) => void,
): BuilderPool {
  const pool = new BuilderPool({
    builders,
    data: {
      ...{ data: '/nowhere', store: { kind: 'fs' }, logLevel: 'silent' },
      ...{ leaseMs: 1000, maxAttempts },
    },
    workerUrl: new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`),
    logger: createLogger('silent'),
    onReport: (report: unknown) => {
      onReport(report as Told);
    },
  });
  onTestFinished(() => pool.close());
  return pool;
}

test('builders know their place, and their heaps are bounded', async () => {
  const told: Told[] = [];
  const pool = startPool(2, 3, (one) => told.push(one));
  pool.poke();
  await expect.poll(() => told.length, { timeout: 10_000 }).toBe(2);
  expect(told.map(({ workerData }) => workerData.builder).sort()).toEqual([0, 1]);
  for (const { resourceLimits, workerData } of told) {
    expect(resourceLimits).toMatchObject(BUILDER_HEAP);
    expect(workerData.builders).toBe(2);
  }
});

test('a builder that crashes is started again in its place', async () => {
  const told: Told[] = [];
  const pool = startPool(1, 1, (one) => told.push(one));
  const threads = () => {
    pool.poke();
    return new Set(told.map(({ threadId }) => threadId)).size;
  };
  await expect.poll(threads, { timeout: 20_000 }).toBe(2);
  expect(told.every(({ workerData }) => workerData.builder === 0)).toBe(true);
});
