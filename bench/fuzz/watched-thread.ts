import { Worker } from 'node:worker_threads';

import { captureInputs } from './capture.ts';
import type { Finding } from './execute.ts';
import { MAX_FINDINGS, type FuzzOrder, type FuzzResult, type ThreadOrder } from './order.ts';

const LOOK_MS = 5000;
/** What runs longer than this will not end. */
const PATIENCE_MS = 20_000;
const NOT_BEGUN = -1;

type Outcome = FuzzResult | Pick<Finding, 'number' | 'problem' | 'isSlow'>;

/**
 * Carries out an order in threads of its own. An execution that never ends, or that ends its thread, is
 * a finding, and the next thread goes on after it.
 */
export async function runWatched(order: FuzzOrder): Promise<FuzzResult> {
  const parts: FuzzResult[] = [];
  for (let { first } = order; first < order.end && parts.length < MAX_FINDINGS;) {
    const begun = performance.now();
    const outcome = await inThread({ ...order, first });
    if ('executions' in outcome) {
      parts.push(outcome);
      break;
    }
    const { number } = outcome;
    const ms = performance.now() - begun;
    const inputs = await captureInputs(order.target, order.seed, number);
    parts.push({
      executions: (number - first) / order.step + 1,
      refused: 0,
      seconds: ms / 1000,
      slowestMs: Math.min(ms, PATIENCE_MS),
      findings: [{ ...outcome, target: order.target, inputs }],
    });
    first = number + order.step;
  }
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  return { ...together(parts), seconds };
}

/** The sums; `seconds` is the longest, for parts that ran side by side. */
export function together(parts: readonly FuzzResult[]): FuzzResult {
  const sum = (of: (part: FuzzResult) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    executions: sum((part) => part.executions),
    refused: sum((part) => part.refused),
    seconds: Math.max(0, ...parts.map((part) => part.seconds)),
    slowestMs: Math.max(0, ...parts.map((part) => part.slowestMs)),
    findings: parts.flatMap((part) => part.findings),
  };
}

function inThread(order: FuzzOrder): Promise<Outcome> {
  const progress = new Int32Array(new SharedArrayBuffer(4)).fill(NOT_BEGUN);
  const workerData: ThreadOrder = { ...order, progress: progress.buffer };
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), { workerData });
  let looked = NOT_BEGUN;
  let sinceMs = performance.now();
  return new Promise<Outcome>((resolve, reject) => {
    const lose = (problem: string, isSlow: boolean, cause?: unknown): void => {
      const number = Atomics.load(progress, 0);
      if (number !== NOT_BEGUN) resolve({ number, problem, isSlow });
      else reject(new Error(`${order.target} does not begin: ${problem}`, { cause }));
    };
    const watch = setInterval(() => {
      const number = Atomics.load(progress, 0);
      if (number !== looked) {
        looked = number;
        sinceMs = performance.now();
      } else if (performance.now() - sinceMs > PATIENCE_MS) {
        lose(`did not end in ${PATIENCE_MS} ms`, true);
        void worker.terminate();
      }
    }, LOOK_MS);
    worker.once('message', resolve);
    worker.once('error', (error) => {
      lose(`ended its thread: ${String(error)}`, false, error);
    });
    worker.once('exit', (code) => {
      clearInterval(watch);
      lose(`ended its thread with ${code}`, false);
    });
  });
}
