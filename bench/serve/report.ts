import { formatCount, formatTable } from '../table.ts';
import { measureGoals } from './goals.ts';
import { ratioOf } from './ratio.ts';
import type { EntryResult, ScenarioResult, Turn } from './run-scenario.ts';
import { median } from './statistics.ts';

const HEAD = [
  '',
  'requests/s',
  'MB/s',
  'p50 ms',
  'p99 ms',
  'RSS MB',
  'server cores',
  'generator cores',
  'first / this',
];

/** The report in Markdown: what is asked for, then a table for each scenario. */
export function serveMarkdown(
  conditions: readonly string[],
  scenarios: readonly ScenarioResult[],
): string {
  const goals = formatTable(
    ['asked for', 'at least', 'measured', 'met'],
    measureGoals(scenarios).map(({ title, atLeast, ratio }) => [
      title,
      atLeast === undefined ? '' : `${atLeast}x`,
      ratio === undefined ? 'not measured' : `${ratio.toFixed(2)}x`,
      atLeast === undefined || ratio === undefined ? '' : ratio >= atLeast ? 'yes' : 'no',
    ]),
  );
  const notes = conditions.map((line) => `- ${line}`).join('\n');
  return ['# Serving blobs', notes, goals, ...scenarios.map(scenarioMarkdown)].join('\n\n');
}

function scenarioMarkdown(scenario: ScenarioResult): string {
  const { title, connections, generator, entries } = scenario;
  const [first] = entries;
  const tls = [...new Set(entries.map((entry) => entry.tls).filter((text) => text !== undefined))];
  const words = [`${connections} connections`, generator, ...tls].join(', ');
  const failures = entries
    .filter(({ failure }) => failure !== undefined)
    .map((entry) => `\n\n${entry.title} failed: ${entry.failure ?? ''}`);
  const rows = entries.map((entry) => [entry.title, ...cells(entry, first)]);
  return `## ${title}\n\n${words}\n\n${formatTable(HEAD, rows)}${failures.join('')}`;
}

function cells(entry: EntryResult, first: EntryResult | undefined): string[] {
  if (entry.failure !== undefined) return ['failed'];
  const middle = (pick: (turn: Turn) => number): number => median(entry.turns.map(pick));
  return [
    formatCount(Math.round(middle((turn) => turn.requestsPerSecond) * 10) / 10),
    formatCount(Math.round(middle((turn) => turn.bytesPerSecond) / 1e6)),
    middle((turn) => turn.p50Ms).toFixed(2),
    middle((turn) => turn.p99Ms).toFixed(2),
    formatCount(Math.round(middle((turn) => turn.rssBytes) / 1e6)),
    middle((turn) => turn.serverCores).toFixed(2),
    middle((turn) => turn.generatorCores).toFixed(2),
    first === undefined ? '' : (ratioOf(first, entry)?.toFixed(2) ?? ''),
  ];
}
