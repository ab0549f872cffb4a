import { formatTable } from '../table.ts';
import type { KillsResult } from './run-kills.ts';

/** The result in Markdown. */
export function killsMarkdown(result: KillsResult, seed: number): string {
  const { kills, acknowledged, deferred, findings, stuck, failed, published, fullChecks } = result;
  const { ended, killed } = result.collections;
  const rows = [
    ['kills -9', String(kills)],
    ['acknowledged pushes, moves and deletions', String(acknowledged)],
    ['answers 503 that asked to come again', String(deferred)],
    ['lost, damaged, refused or found by fsck', String(findings.length)],
    ['rows stuck at the end', String(stuck)],
    ['rows given up', String(failed)],
    ['deltas published at the end', String(published)],
    ['checks that read every byte', String(fullChecks)],
    ['collections that were killed', String(killed)],
    ['collections that came to their end', String(ended)],
    ...Object.entries(result.stepMs).map(([step, ms]) => [
      `${step}: median, longest`,
      inSeconds(ms),
    ]),
  ];
  const found = findings.map((finding) => `- ${finding}`).join('\n');
  return `# Kills of a busy origin, seed ${seed}\n\n${formatTable(['', ''], rows)}\n${found}`;
}

function inSeconds(ms: readonly number[]): string {
  const sorted = [...ms].sort((a, b) => a - b);
  const [median = 0, longest = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  return `${(median / 1000).toFixed(2)} s, ${(longest / 1000).toFixed(2)} s`;
}
