import { formatTable } from '../table.ts';
import type { KillsResult } from './run-kills.ts';

/** The result in Markdown. */
export function killsMarkdown(result: KillsResult, seed: number): string {
  const { kills, acknowledged, findings, stuck, deltas, fullChecks } = result;
  const restarts = [...result.restartMs].sort((a, b) => a - b);
  const median = restarts[restarts.length >> 1] ?? 0;
  const rows = [
    ['kills -9', String(kills)],
    ['acknowledged pushes, moves and deletions', String(acknowledged)],
    ['lost, damaged or found by fsck', String(findings.length)],
    ['rows stuck at the end', String(stuck)],
    ['deltas published at the end', String(deltas)],
    ['checks that read every byte', String(fullChecks)],
    ['restart until it answers, median', `${(median / 1000).toFixed(1)} s`],
    ['restart, longest', `${((restarts.at(-1) ?? 0) / 1000).toFixed(1)} s`],
  ];
  const found = findings.map((finding) => `- ${finding}`).join('\n');
  return `# Kills of a busy origin, seed ${seed}\n\n${formatTable(['', ''], rows)}\n${found}`;
}
