import { formatCount, formatTable } from '../table.ts';
import type { FuzzResult } from './order.ts';

/** What became of a target. */
export interface Row extends FuzzResult {
  readonly target: string;
}

/** All targets, then each finding with the file that `--replay` takes. */
export function fuzzMarkdown(rows: readonly Row[], files: ReadonlyMap<string, string>): string {
  const table = formatTable(
    ['target', 'executions', 'refused', 'per second', 'slowest, ms', 'findings'],
    rows.map(({ target, executions, refused, seconds, slowestMs, findings }) => [
      target,
      formatCount(executions),
      `${Math.round((100 * refused) / Math.max(executions, 1))}%`,
      formatCount(Math.round(executions / seconds)),
      formatCount(Math.round(slowestMs)),
      formatCount(findings.length),
    ]),
  );
  const total = rows.reduce((sum, { executions }) => sum + executions, 0);
  const found = rows
    .flatMap(({ findings }) => findings)
    .map(({ target, number, problem }) => {
      const file = files.get(`${target} ${number}`) ?? '';
      return `- \`--replay ${file}\`\n\n      ${problem.replaceAll('\n', '\n      ')}\n`;
    });
  return `# Hostile input\n\n${formatCount(total)} executions; each ended with a coded error or the right bytes, without a trap of the kernel, within 1 s and its memory, unless listed below.\n\n${[table, ...found].join('\n')}`;
}
