import { parentPort, workerData } from 'node:worker_threads';

import { execute, type Finding } from './execute.ts';
import { TARGETS } from './targets/all.ts';

/** Executions `first`, `first + step`, ... below `end` of a target. */
export interface FuzzOrder {
  readonly target: string;
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly end: number;
}

export interface FuzzResult {
  readonly executions: number;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

/** More of the same tell nothing new. */
const MAX_FINDINGS = 20;

async function work({ target, seed, first, step, end }: FuzzOrder): Promise<FuzzResult> {
  const found = TARGETS.find(({ name }) => name === target);
  if (found === undefined) throw new Error(`no target ${target}`);
  const run = await found.open();
  const findings: Finding[] = [];
  const started = performance.now();
  let executions = 0;
  for (let number = first; number < end && findings.length < MAX_FINDINGS; number += step) {
    const finding = await execute(run, target, seed, number);
    if (finding !== undefined) findings.push(finding);
    executions += 1;
  }
  return { executions, seconds: (performance.now() - started) / 1000, findings };
}

parentPort?.postMessage(await work(workerData as FuzzOrder));
