import { coderPanel } from '../engine/coder-panel.ts';
import type { Findings } from '../engine/finish.ts';
import type { Goal } from '../engine/goals.ts';
import { OURS, type Profile } from '../engine/ours.ts';
import { fixed, footer, resultTable } from '../engine/result-table.ts';
import { commonRows, doneIn, sumOf, type Figure, type Results } from '../engine/results.ts';

type Bare = Readonly<Record<string, number>>;

/** The pair for which a speed is asked. */
const LARGEST = 'node-x64';

const cpu: Figure = ({ decode }) => decode.cpuSeconds;
const wall: Figure = ({ decode }) => decode.wallSeconds;
const newMb: Figure = (_, { newBytes }) => newBytes / 1e6;
const mbPerSecond: Figure = ({ decode }, { newBytes }) => newBytes / 1e6 / decode.wallSeconds;
const peakMb: Figure = ({ decode }) => decode.peakBytes / 1e6;

/** Speed and memory of applying; `bare`: peak of a run of ours that applies nothing. */
export function applyFindings(results: Results, bare: Bare): Findings {
  const besideMb: Figure = ({ decode }, _, coder) => (decode.peakBytes - (bare[coder] ?? 0)) / 1e6;
  const ours = results.coders.filter(({ name }) => bare[name] !== undefined);
  const beside = { ...results, coders: ours };
  const common = commonRows(results);
  const speed = (name: string): number | undefined =>
    common.length === 0 ? undefined : sumOf(common, name, newMb) / sumOf(common, name, wall);
  return {
    title: 'Applying deltas',
    goals: [
      ...(['small', 'fast'] as const).map((profile) => memoryGoal(results, bare, profile)),
      speedGoal(results, 'small', 4),
      speedGoal(results, 'fast', 100),
    ],
    sections: [
      [
        'New MB per second of wall time',
        resultTable(results, fixed(1), mbPerSecond, [
          footer(results, 'all pairs that all did, together', speed, 1),
        ]),
      ],
      ['Processor, s (user and system)', resultTable(results, fixed(2), cpu)],
      ['Peak memory, MB', resultTable(results, fixed(1), peakMb)],
      [
        'Of ours, MB beside the bare process',
        `${bareLine(beside, bare)}\n\n${resultTable(beside, fixed(1), besideMb)}`,
      ],
    ],
    panels: [
      coderPanel(
        results,
        'New MB per second, all pairs together',
        fixed(1),
        (name) => speed(name) ?? 0,
      ),
      coderPanel(results, 'Largest peak memory, MB', fixed(1), (name) =>
        Math.max(0, ...common.map((row) => sumOf([row], name, peakMb))),
      ),
    ],
    extra: { bare },
  };
}

function bareLine({ coders }: Results, bare: Bare): string {
  const peaks = coders.map(
    ({ name, title }) => `${title} ${((bare[name] ?? 0) / 1e6).toFixed(1)} MB`,
  );
  return `The same program on two empty files: ${peaks.join(', ')}.`;
}

function memoryGoal({ rows }: Results, bare: Bare, profile: Profile): Goal {
  const name = OURS[profile];
  const none = bare[name];
  const peaks = rows.flatMap((row) => {
    const done = doneIn(row, name);
    return done === undefined || none === undefined
      ? []
      : [{ pair: row.pair, mb: (done.decode.peakBytes - none) / 1e6 }];
  });
  const most = peaks.reduce((a, b) => (b.mb > a.mb ? b : a), { pair: '', mb: -Infinity });
  return {
    title: `${profile}: memory beside the bare process`,
    bound: { kind: 'at most', value: 16 },
    unit: ' MB',
    measured: peaks.length === 0 ? undefined : most.mb,
    over: `${peaks.length} pairs, most on ${most.pair}`,
  };
}

/** On one core: by processor time, which no second core makes less. */
function speedGoal({ rows }: Results, profile: Profile, value: number): Goal {
  const row = rows.find(({ pair }) => pair === LARGEST);
  const done = row === undefined ? undefined : doneIn(row, OURS[profile]);
  return {
    title: `${profile}: new MB per processor second`,
    bound: { kind: 'at least', value },
    unit: ' MB/s',
    measured:
      row === undefined || done === undefined
        ? undefined
        : row.newBytes / 1e6 / done.decode.cpuSeconds,
    over: LARGEST,
  };
}
