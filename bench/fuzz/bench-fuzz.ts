import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

import { writeReport } from '../report-files.ts';
import { formatCount, formatTable } from '../table.ts';
import type { FuzzOrder, FuzzResult } from './fuzz-worker.ts';
import type { Target } from './target.ts';
import { TARGETS } from './targets/all.ts';

const EXECUTIONS = 1_000_000;

interface Row extends FuzzResult {
  readonly target: string;
}

/**
 * `npm run bench -- fuzz`: hostile input for everything that reads bytes from elsewhere. Each execution
 * follows from seed, target and number, so a finding comes again with `--seed S --target T --only N`.
 */
export async function benchFuzz(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      executions: { type: 'string', default: String(EXECUTIONS) },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      only: { type: 'string' },
    },
  });
  const seed = wholeNumber('seed', values.seed);
  const targets = TARGETS.filter(
    ({ name }) => values.target === undefined || name === values.target,
  );
  if (targets.length === 0) {
    const names = TARGETS.map(({ name }) => name).join(', ');
    throw new Error(`--target ${values.target ?? ''}: there are ${names}`);
  }
  const rows: Row[] = [];
  for (const [target, order] of orders(targets, seed, values.executions, values.only)) {
    rows.push({ target: target.name, ...(await run(order)) });
  }
  await writeReport('fuzz', markdown(rows, seed), { seed, rows }, { args });
  const found = rows.reduce((sum, { findings }) => sum + findings.length, 0);
  if (found > 0) throw new Error(`${found} findings`);
}

function orders(
  targets: readonly Target[],
  seed: number,
  executions: string,
  only: string | undefined,
): readonly (readonly [Target, Omit<FuzzOrder, 'step'>])[] {
  const total = wholeNumber('executions', executions);
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
  const first = only === undefined ? 0 : wholeNumber('only', only);
  return targets.map((target) => {
    const end = only === undefined ? Math.ceil((total * target.weight) / weights) : first + 1;
    return [target, { target: target.name, seed, first, end }];
  });
}

/** One thread for each core, which take turns with the numbers. */
async function run(order: Omit<FuzzOrder, 'step'>): Promise<FuzzResult> {
  const step = availableParallelism();
  const parts = await Promise.all(
    Array.from({ length: step }, (_, n) => inThread({ ...order, first: order.first + n, step })),
  );
  return {
    executions: parts.reduce((sum, part) => sum + part.executions, 0),
    seconds: Math.max(...parts.map(({ seconds }) => seconds)),
    findings: parts.flatMap(({ findings }) => findings),
  };
}

function inThread(workerData: FuzzOrder): Promise<FuzzResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      reject(new Error(`the thread for ${workerData.target} ended with ${code}`));
    });
  });
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} ${text}: not a number`);
  return value;
}

function markdown(rows: readonly Row[], seed: number): string {
  const table = formatTable(
    ['target', 'executions', 'per second', 'findings'],
    rows.map(({ target, executions, seconds, findings }) => [
      target,
      formatCount(executions),
      formatCount(Math.round(executions / seconds)),
      formatCount(findings.length),
    ]),
  );
  const total = rows.reduce((sum, { executions }) => sum + executions, 0);
  const found = rows
    .flatMap(({ findings }) => findings)
    .map(({ target, number, problem }) => {
      return `- \`--seed ${seed} --target ${target} --only ${number}\`\n\n      ${problem.replaceAll('\n', '\n      ')}\n`;
    });
  return `# Hostile input\n\n${formatCount(total)} executions; each ended with a coded error or the right bytes, without a trap of the kernel, within 1 s and its memory, unless listed below.\n\n${[table, ...found].join('\n')}`;
}
