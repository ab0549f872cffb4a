import { parentPort, workerData } from 'node:worker_threads';

import { execute, type Finding } from './execute.ts';
import {
  MAX_FINDINGS,
  type Captured,
  type CaptureOrder,
  type FuzzResult,
  type ThreadOrder,
} from './order.ts';
import { Random } from './random.ts';
import type { Execute } from './target.ts';
import { TARGETS } from './targets/all.ts';

function open(name: string): Promise<Execute> {
  const found = TARGETS.find((target) => target.name === name);
  if (found === undefined) throw new Error(`no target ${name}`);
  return found.open();
}

async function capture({ target, seed, capture: number }: CaptureOrder): Promise<void> {
  const run = await open(target);
  await run(new Random(seed, target, number), (name, bytes) => {
    const captured: Captured = { name, bytes };
    parentPort?.postMessage(captured);
  });
}

async function work(order: ThreadOrder): Promise<FuzzResult> {
  const { target, seed, first, step, end } = order;
  const run = await open(target);
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

const order = workerData as ThreadOrder | CaptureOrder;
if ('capture' in order) await capture(order);
else parentPort?.postMessage(await work(order));
