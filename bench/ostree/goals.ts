import type { Goal } from '../engine/goals.ts';
import { total } from './pull/counting-proxy.ts';
import {
  deltaBytes,
  generatorRatio,
  OURS,
  pullOf,
  pullRatio,
  type CaseResult,
  type PullKind,
} from './results.ts';

/** Clients that pull something in a run, the installed one first; their versions. */
type Clients = readonly string[];

/** The marks of this bench, and whether the run shows them. A case that was not run is not measured. */
export function ostreeGoals(cases: readonly CaseResult[], clients: Clients): Goal[] {
  const find = (name: CaseResult['name']): CaseResult | undefined =>
    cases.find((one) => one.name === name);
  const [debian, node] = [find('debian'), find('node')];
  return [
    ...clients.map((client) =>
      wireGoal(debian, 'update', client, {
        title: `Debian update, bytes over the wire against stock delta and nginx, client ${client}`,
        atMost: 0.8,
        pick: 'bytes',
      }),
    ),
    goal('Debian update, bytes of the delta alone against stock', 0.8, 'x', {
      measured: debian && generatorRatio(debian, debian.peer, deltaBytes),
      over: 'superblock, parts, fallbacks',
    }),
    ...clients.map((client) => nodeGoal(node, client)),
    ...[debian, node].flatMap((result, index) =>
      costGoals(result, ['Debian', 'node'][index] ?? ''),
    ),
    ...clients.flatMap((client) => [
      wireGoal(debian, 'scratch', client, {
        title: `Debian from scratch, requests against loose objects, client ${client}`,
        atMost: 0.1,
        pick: 'requests',
      }),
      wireGoal(debian, 'scratch', client, {
        title: `Debian from scratch, bytes against loose objects, client ${client}`,
        atMost: 1,
        pick: 'bytes',
      }),
    ]),
  ];
}

function wireGoal(
  result: CaseResult | undefined,
  kind: PullKind,
  client: string,
  { title, atMost, pick }: { title: string; atMost: number; pick: 'bytes' | 'requests' },
): Goal {
  const measured = result && pullRatio(result, { kind, client, peer: result.peer }, pick);
  return goal(title, atMost, 'x', { measured, over: 'the whole pull' });
}

function nodeGoal(node: CaseResult | undefined, client: string): Goal {
  const pull = node && pullOf(node, { kind: 'update', client, server: OURS });
  return goal(`node update, over the wire, client ${client}`, 1.5, ' MB', {
    measured: pull && total(pull.traffic).bytes / 1e6,
    over: 'the whole pull',
  });
}

function costGoals(result: CaseResult | undefined, name: string): Goal[] {
  const peer = result?.generators.find((one) => one.name === result.peer)?.title ?? '';
  const ratio = (pick: Parameters<typeof generatorRatio>[2]): number | undefined =>
    result && generatorRatio(result, result.peer, pick);
  return [
    goal(`${name}, processor time of generating against stock`, 0.6, 'x', {
      measured: ratio(({ cost }) => cost.cpuSeconds),
      over: peer,
    }),
    goal(`${name}, peak memory of generating, ours with its proof, against stock`, 1, 'x', {
      measured: ratio(({ cost, proved }) => (proved ?? cost).peakBytes),
      over: peer,
    }),
  ];
}

function goal(
  title: string,
  value: number,
  unit: string,
  { measured, over }: Pick<Goal, 'measured' | 'over'>,
): Goal {
  return { title, bound: { kind: 'at most', value }, unit, measured, over };
}
