import { goalTable, type Goal } from '../engine/goals.ts';
import { formatCount, formatTable } from '../table.ts';
import type { Cost, Generated } from './generate/generated.ts';
import { total } from './pull/counting-proxy.ts';
import { deltaBytes, OURS, type CaseResult, type PullKind, type PullResult } from './results.ts';

/** The report in Markdown: the marks, then two or three tables for each case. */
export function ostreeMarkdown(
  conditions: readonly string[],
  goals: readonly Goal[],
  cases: readonly CaseResult[],
): string {
  const notes = conditions.map((line) => `- ${line}`).join('\n');
  return ['# OSTree', notes, goalTable(goals), ...cases.map(caseMarkdown)].join('\n\n');
}

function caseMarkdown(result: CaseResult): string {
  const { title, before, after, pulls } = result;
  const facts = [before, after].map(
    ({ files, bytes }) => `${formatCount(files)} files, ${(bytes / 1e6).toFixed(1)} MB`,
  );
  return [
    `## ${title}`,
    `Before ${facts[0] ?? ''}; after ${facts[1] ?? ''}.`,
    '### Generating',
    generatorTable(result),
    '### Pulling the update',
    pullTable(pulls, 'update'),
    ...(pulls.some(({ kind }) => kind === 'scratch')
      ? ['### Pulling from scratch', pullTable(pulls, 'scratch')]
      : []),
  ].join('\n\n');
}

function generatorTable({ generators, scratch }: CaseResult): string {
  const [first] = generators;
  const lines = generators.flatMap(({ title, generated }) => {
    const { cost, proved } = generated;
    const ratios = first === undefined ? [] : ratioCells(first.generated, generated);
    const line = [title, ...byteCells(generated), ...costCells(cost), ...ratios];
    return proved === undefined
      ? [line]
      : [line, [`${title}, with its proof`, ...Array<string>(4).fill(''), ...costCells(proved)]];
  });
  if (scratch !== undefined) {
    lines.push([`${OURS}, from scratch`, ...byteCells(scratch), ...costCells(scratch.cost)]);
  }
  const head = [
    ...['', 'bytes', 'superblock', 'parts', 'bytes in fallbacks'],
    ...['cpu s', 'wall s', 'peak MB', 'bytes, first / this', 'cpu, first / this'],
  ];
  return formatTable(
    head,
    lines.map((line) => head.map((_, column) => line[column] ?? '')),
  );
}

function byteCells(generated: Generated): string[] {
  const { superblock, partCount, fallbacks } = generated.bytes;
  return [
    formatCount(deltaBytes(generated)),
    formatCount(superblock),
    String(partCount),
    formatCount(fallbacks),
  ];
}

function costCells({ cpuSeconds, wallSeconds, peakBytes }: Cost): string[] {
  return [cpuSeconds.toFixed(1), wallSeconds.toFixed(1), (peakBytes / 1e6).toFixed(0)];
}

function ratioCells(first: Generated, other: Generated): string[] {
  return [
    (deltaBytes(first) / deltaBytes(other)).toFixed(3),
    (first.cost.cpuSeconds / other.cost.cpuSeconds).toFixed(2),
  ];
}

function pullTable(pulls: readonly PullResult[], wanted: PullKind): string {
  const chosen = pulls.filter(({ kind }) => kind === wanted);
  const lines = chosen.map((pull) => {
    const { client, server, title, traffic, wallSeconds, rounds } = pull;
    const ours = chosen.find((one) => one.client === client && one.server === OURS);
    const { bytes, requests } = total(traffic);
    return [
      `${client} from ${title}`,
      ...[formatCount(bytes), formatCount(requests)],
      ...[formatCount(traffic.object.bytes), formatCount(traffic.object.requests)],
      `${formatCount(Math.min(...rounds))} to ${formatCount(Math.max(...rounds))}`,
      wallSeconds.toFixed(1),
      server === OURS || ours === undefined ? '' : (total(ours.traffic).bytes / bytes).toFixed(3),
    ];
  });
  return formatTable(
    [
      ...['client', 'bytes', 'requests', 'bytes of loose objects', 'requests for them'],
      ...['bytes of the rounds', 'wall s', 'bytes, ours / this'],
    ],
    lines,
  );
}
