import { cpus, loadavg, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';

import { writeReport } from '../report-files.ts';
import { rowsMarkdown, runRows } from './rows.ts';
import { measureThroughput, throughputMarkdown, type ThroughputOptions } from './throughput.ts';

const WHOLE: ThroughputOptions = { counts: [1, 2, 4], clients: 16, seconds: 15 };
const QUICK: ThroughputOptions = { counts: [1, 2], clients: 4, seconds: 1 };
const HALVES = ['throughput', 'rows'] as const;

/**
 * `npm run bench -- nodes [--quick] [--only throughput|rows]`: what several origins over one MinIO bucket and
 * one PostgreSQL database do, and what collecting and checking cost by the number of chunks. Clients, origins,
 * MinIO and PostgreSQL share the machine's cores: the rate of several origins is bounded by these, and the
 * origins' own processor time is what a node more brings.
 */
export async function benchNodes(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
  });
  const { quick, only } = values;
  if (only !== undefined && !HALVES.some((half) => half === only)) {
    throw new Error(`--only ${only}: there are ${HALVES.join(' and ')}`);
  }
  const [loadBefore = 0] = loadavg();
  const options = quick ? QUICK : WHOLE;
  const { clients, seconds } = options;
  const throughput = only === 'rows' ? undefined : await measureThroughput(options);
  const rows = only === 'throughput' ? undefined : await runRows({ quick, dir: tmpdir() });
  const conditions = [
    `${clients} clients for ${seconds} s a cell; all programs on ${cpus().length} shared cores, load ${loadBefore.toFixed(1)} before\n`,
    ...(throughput === undefined ? [] : [throughputMarkdown(throughput)]),
    ...(rows === undefined ? [] : [rowsMarkdown(rows)]),
  ];
  await writeReport(
    quick ? 'nodes-quick' : 'nodes',
    conditions.join('\n'),
    { options, throughput, rows },
    { args },
  );
}
