import { availableParallelism } from 'node:os';

import { writeReport } from '../report-files.ts';
import type { Finding } from './execute.ts';
import { writeFinding } from './finding-file.ts';
import type { FuzzOrder, FuzzResult } from './order.ts';
import { parseFuzzOptions, type FuzzOptions } from './options.ts';
import { fuzzMarkdown, type Row } from './report.ts';
import { TARGETS } from './targets/all.ts';
import { runWatched, together } from './watched-thread.ts';

/**
 * `npm run bench -- fuzz`: hostile input for everything that reads bytes from elsewhere. Each execution
 * follows from seed, target and number; a finding is a file in `--out` that `--replay` runs again.
 */
export async function benchFuzz(args: readonly string[]): Promise<void> {
  const options = await parseFuzzOptions(args, TARGETS);
  const { seed, out } = options;
  const rows: Row[] = [];
  const files = new Map<string, string>();
  for (const order of orders(options)) {
    const { target } = order;
    const result = await run(order);
    rows.push({ ...result, target });
    for (const finding of result.findings) {
      files.set(`${target} ${finding.number}`, await writeFinding(out, seed, finding));
    }
  }
  const facts = rows.map(({ findings, ...row }) => ({
    ...row,
    findings: findings.map(({ number, problem }) => ({ number, problem })),
  }));
  await writeReport('fuzz', fuzzMarkdown(rows, files), { seed, rows: facts }, { args });
  if (files.size > 0) throw new Error(`${files.size} findings`);
}

function orders(options: FuzzOptions): readonly Omit<FuzzOrder, 'step'>[] {
  const { seed, targets, executions, only } = options;
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.map(({ name, weight }) => {
    const count = Math.max(1, Math.ceil((executions * weight) / weights));
    const [first, end] = only === undefined ? [0, count] : [only, only + 1];
    return { target: name, seed, first, end };
  });
}

/** One thread for each core, which take turns with the numbers; then those that were slow, alone. */
async function run(order: Omit<FuzzOrder, 'step'>): Promise<FuzzResult> {
  const step = availableParallelism();
  const starts = Array.from({ length: step }, (_, n) => order.first + n);
  const result = together(
    await Promise.all(starts.map((first) => runWatched({ ...order, first, step }))),
  );
  const findings: Finding[] = [];
  for (const finding of result.findings) {
    const { number, isSlow } = finding;
    const alone = { ...order, first: number, end: number + 1, step: 1 };
    if (!isSlow || (await runWatched(alone)).findings.length > 0) findings.push(finding);
  }
  return { ...result, findings };
}
