import { parentPort, workerData } from 'node:worker_threads';

import { execute, type Finding } from './execute.ts';
import { MAX_FINDINGS, type FuzzResult, type ThreadOrder } from './order.ts';
import type { Execute } from './target.ts';
import { TARGETS } from './targets/all.ts';

async function work(order: ThreadOrder): Promise<FuzzResult> {
  const { target, seed, first, step, end } = order;
  const found = TARGETS.find(({ name }) => name === target);
  if (found === undefined) throw new Error(`no target ${target}`);
  const run = await found.open();
  let refused = 0;
  const counted: Execute = async (random, keep) => {
    try {
      await run(random, keep);
    } catch (error) {
      refused += 1;
      throw error;
    }
  };
  const progress = new Int32Array(order.progress);
  const findings: Finding[] = [];
  const started = performance.now();
  let executions = 0;
  let slowestMs = 0;
  for (let number = first; number < end && findings.length < MAX_FINDINGS; number += step) {
    Atomics.store(progress, 0, number);
    const begun = performance.now();
    const finding = await execute(counted, target, seed, number);
    slowestMs = Math.max(slowestMs, performance.now() - begun);
    if (finding !== undefined) findings.push(finding);
    executions += 1;
  }
  const seconds = (performance.now() - started) / 1000;
  return { executions, refused, seconds, slowestMs, findings };
}

parentPort?.postMessage(await work(workerData as ThreadOrder));
