import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';

export interface ReportOptions {
  /** What was given after the bench's name, for the line that says how to run it again. */
  readonly args?: readonly string[];
  /** Print the JSON instead of the Markdown. */
  readonly json?: boolean;
}

/** Writes a bench's results as JSON and Markdown into `.bench/` and prints the Markdown. */
export async function writeReport(
  name: string,
  markdown: string,
  results: Readonly<Record<string, unknown>>,
  { args = [], json = false }: ReportOptions = {},
): Promise<void> {
  const dir = join(process.cwd(), '.bench');
  await mkdir(dir, { recursive: true });
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    date: new Date().toISOString(),
  };
  const rerun = ['npm run bench --', name.replace(/-quick$/, ''), ...args].join(' ');
  const foot = `\nNode ${machine.node}, ${machine.cores} cores (${machine.cpu}). Rerun: \`${rerun}\`\n`;
  const asJson = `${JSON.stringify({ machine, rerun, ...results }, null, 2)}\n`;
  await writeFile(join(dir, `${name}.json`), asJson);
  await writeFile(join(dir, `${name}.md`), `${markdown}\n${foot}`);
  process.stdout.write(json ? asJson : `${markdown}\n${foot}`);
}
