import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';

const MODULE = new URL('../../dist/storage/passing-buffers.js', import.meta.url).href;
const THREADS = 4;
const ROUNDS = 10;
/** Until all threads of a round run, so that they ask at once. */
const START_MS = 400;

const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ PassingBuffers }) => {
    while (Date.now() < workerData.at);
    const buffers = new PassingBuffers();
    buffers.passed(10_000_000);
    parentPort.postMessage('collected');
  }, (error) => parentPort.postMessage(String(error)))
    .catch((error) => parentPort.postMessage(String(error)));
`;

async function answerOf(at: number): Promise<unknown> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: { module: MODULE, at } });
  const [answer] = (await once(worker, 'message')) as [unknown];
  await worker.terminate();
  return answer;
}

it('lets builders, which are threads of one process, ask for V8’s collector at once', async () => {
  const answers = new Set<unknown>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const at = Date.now() + START_MS;
    const threads = Array.from({ length: THREADS }, () => answerOf(at));
    for (const answer of await Promise.all(threads)) answers.add(answer);
  }
  expect([...answers]).toEqual(['collected']);
});
