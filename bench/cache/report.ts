import { median } from '../serve/statistics.ts';
import { formatCount, formatTable } from '../table.ts';
import { measureGoals, type CacheResults } from './goals.ts';
import type { Stampede } from './stampede.ts';
import type { WaitersResult } from './waiters.ts';
import { ofOrigin, type WarmEntry, type WarmResult } from './warm.ts';

/** The report in Markdown: what is asked for, then a table for each measurement. */
export function cacheMarkdown(conditions: readonly string[], results: CacheResults): string {
  const goals = formatTable(
    ['asked for', 'as', 'measured', 'met'],
    measureGoals(results).map(({ title, asked, measured, met }) => [
      title,
      asked,
      measured,
      met ? 'yes' : 'no',
    ]),
  );
  const notes = conditions.map((line) => `- ${line}`).join('\n');
  return [
    '# Regional caches',
    notes,
    goals,
    stampedeTable(results.stampedes),
    waitersTable(results.waiters),
    ...results.warm.map(warmTable),
  ].join('\n\n');
}

function stampedeTable(stampedes: readonly Stampede[]): string {
  const rows = stampedes.map((one) => [
    one.name,
    `${one.egressRatio.toFixed(4)}x`,
    `${one.originRatio.toFixed(4)}x`,
    `${one.right} / ${one.wrong} / ${one.left} / ${one.broken}`,
    one.seconds.toFixed(1),
    megabytes(one.peakRssBytes),
    `${one.alone.manifestStatus}, ${one.alone.blob}`,
  ]);
  const head = [
    '',
    'egress on the way',
    'by the origin',
    'right / wrong / left / broken',
    's',
    'peak RSS MB',
    'origin gone: manifest, blob',
  ];
  return `## Many clients on a cold blob\n\n${formatTable(head, rows)}${faults(stampedes)}`;
}

function waitersTable(waiters: readonly WaitersResult[]): string {
  const rows = waiters.map((one) => [
    one.name,
    `${one.whole} of ${one.waiters}`,
    `${one.egressRatio.toFixed(4)}x`,
    megabytes(one.startRssBytes),
    megabytes(one.peakRssBytes),
  ]);
  const head = ['', 'whole', 'egress', 'RSS MB at start', 'peak RSS MB'];
  return `## Waiters on a cold blob\n\n${formatTable(head, rows)}${faults(waiters)}`;
}

function faults(
  results: readonly { readonly name: string; readonly firstFault: string | undefined }[],
): string {
  return results
    .filter(({ firstFault }) => firstFault !== undefined)
    .map(({ name, firstFault }) => `\n\n${name}, first fault: ${firstFault ?? ''}`)
    .join('');
}

function warmTable(result: WarmResult): string {
  const { title, generator, connections, entries } = result;
  const head = ['', 'requests/s', 'MB/s', 'p50 ms', 'p99 ms', 'by the origin', 'egress, kB'];
  const rows = entries.map((entry) => [entry.title, ...warmCells(result, entry)]);
  return `## Warm, ${title}\n\n${connections} connections, ${generator}\n\n${formatTable(head, rows)}`;
}

function warmCells(result: WarmResult, entry: WarmEntry): string[] {
  const { rounds, failure, egressBytes } = entry;
  if (failure !== undefined) return [`failed: ${failure}`];
  return [
    formatCount(Math.round(median(rounds.map((one) => one.requestsPerSecond)) * 10) / 10),
    formatCount(Math.round(median(rounds.map((one) => one.bytesPerSecond)) / 1e6)),
    median(rounds.map((one) => one.p50Ms)).toFixed(2),
    median(rounds.map((one) => one.p99Ms)).toFixed(2),
    `${ofOrigin(result, entry)?.toFixed(2) ?? ''}x`,
    egressBytes === undefined ? '' : formatCount(Math.round(egressBytes / 1e3)),
  ];
}

function megabytes(bytes: number): string {
  return formatCount(Math.round(bytes / 1e6));
}
