import { coderPanel } from '../engine/coder-panel.ts';
import type { Findings } from '../engine/finish.ts';
import type { Goal } from '../engine/goals.ts';
import { OURS, type Profile } from '../engine/ours.ts';
import { fixed, footer, resultTable, type Footer } from '../engine/result-table.ts';
import {
  commonRows,
  doneIn,
  meanRatio,
  sumOf,
  sumRatio,
  type Figure,
  type Results,
} from '../engine/results.ts';

/** The largest pair of the list, for which a peak is asked. */
const LARGEST = 'node-x64';
const PEER = 'hdiffpatch';

const cpu: Figure = ({ encode }) => encode.cpuSeconds;
const wall: Figure = ({ encode }) => encode.wallSeconds;
const peakMb: Figure = ({ encode }) => encode.peakBytes / 1e6;

/** Processor time, wall time and peak memory of making every delta. */
export function speedFindings(results: Results): Findings {
  return {
    title: 'Making deltas',
    goals: [
      ...ratioGoals(results, 'small', 2),
      ...ratioGoals(results, 'fast', 1),
      memoryGoal(results, 'small'),
      memoryGoal(results, 'fast'),
    ],
    sections: [
      ['Processor, s (user and system)', resultTable(results, fixed(2), cpu, sums(results, cpu))],
      ['Wall, s', resultTable(results, fixed(2), wall, sums(results, wall))],
      ['Peak memory, MB', resultTable(results, fixed(0), peakMb)],
    ],
    panels: [
      coderPanel(results, 'Processor seconds for all pairs', fixed(1), (name) =>
        total(results, name, cpu),
      ),
      coderPanel(results, 'Largest peak memory, MB', fixed(0), (name) => largest(results, name)),
    ],
  };
}

function ratioGoals({ rows }: Results, profile: Profile, value: number): Goal[] {
  const coders = [OURS[profile], PEER] as const;
  const pairs = rows.filter((row) => coders.every((name) => doneIn(row, name) !== undefined));
  const common = {
    bound: { kind: 'at most', value },
    unit: 'x',
    over: `${pairs.length} pairs`,
  } as const;
  const title = `${profile}: processor time against HDiffPatch`;
  return [
    { title: `${title}, all pairs together`, ...common, measured: sumRatio(rows, coders, cpu) },
    { title: `${title}, geometric mean`, ...common, measured: meanRatio(rows, coders, cpu) },
  ];
}

function memoryGoal({ rows }: Results, profile: Profile): Goal {
  const row = rows.find(({ pair }) => pair === LARGEST);
  const done = row === undefined ? undefined : doneIn(row, OURS[profile]);
  return {
    title: `${profile}: peak memory of the whole process`,
    bound: { kind: 'at most', value: 400 },
    unit: ' MB',
    measured: done === undefined ? undefined : done.encode.peakBytes / 1e6,
    over: LARGEST,
  };
}

function sums(results: Results, pick: Figure): Footer[] {
  return [
    footer(results, 'sum over the pairs that all did', (name) => total(results, name, pick), 1),
    footer(
      results,
      'this / HDiffPatch, geometric mean',
      (name) => meanRatio(results.rows, [name, PEER], pick),
      2,
    ),
  ];
}

function total(results: Results, name: string, pick: Figure): number {
  return sumOf(commonRows(results), name, pick);
}

function largest(results: Results, name: string): number {
  const rows = commonRows(results);
  return Math.max(0, ...rows.map((row) => sumOf([row], name, peakMb)));
}
