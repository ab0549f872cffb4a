import { cpus, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';

import { writeReport } from '../report-files.ts';
import { rowsMarkdown, runRows } from './rows.ts';
import { measureThroughput, throughputMarkdown, type ThroughputOptions } from './throughput.ts';

const WHOLE: ThroughputOptions = { counts: [1, 2, 4], clients: 16, seconds: 15 };
const QUICK: ThroughputOptions = { counts: [1, 2], clients: 4, seconds: 1 };

/**
 * `npm run bench -- nodes [--quick]`: what several origins over one MinIO bucket and one PostgreSQL
 * database do, and what collecting and checking cost by the number of chunks. Clients, origins, MinIO and
 * PostgreSQL share the machine's cores: the rate of several origins is bounded by these, and the origins'
 * own processor time is what a node more brings.
 */
export async function benchNodes(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false } },
  });
  const options = values.quick ? QUICK : WHOLE;
  const throughput = await measureThroughput(options);
  const rows = await runRows({ quick: values.quick, dir: tmpdir() });
  const { clients, seconds } = options;
  const conditions = `${clients} clients for ${seconds} s a cell; all programs on ${cpus().length} shared cores\n`;
  await writeReport(
    values.quick ? 'nodes-quick' : 'nodes',
    `${conditions}\n${throughputMarkdown(throughput)}\n${rowsMarkdown(rows)}`,
    { options, throughput, rows },
    { args },
  );
}
