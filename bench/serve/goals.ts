import { ratioOf } from './ratio.ts';
import type { ScenarioResult } from './run-scenario.ts';

interface Goal {
  readonly title: string;
  readonly scenario: string;
  readonly over: string;
  readonly under: string;
  readonly atLeast?: number;
}

/** What serving is held to; the goals without a bound are told because a machine's cores decide them. */
const GOALS: readonly Goal[] = [
  goal('4 KiB against nginx', 'small', 'nginx', 0.9),
  goal('100 MB against nginx', 'large', 'nginx', 1),
  goal('4 KiB against zot', 'small', 'zot', 4),
  goal('4 KiB against distribution', 'small', 'distribution', 20),
  goal('4 KiB over TLS against nginx', 'small-tls', 'nginx'),
  goal('100 MB over TLS against nginx', 'large-tls', 'nginx'),
  goal('kept-alive connections against nginx', 'connections', 'nginx'),
  ...['rivulet', 'nginx'].map((peer) => ({
    title: `two workers of ${peer} against one`,
    scenario: 'workers',
    over: `${peer}, 2 workers`,
    under: `${peer}, 1 worker`,
  })),
];

function goal(title: string, scenario: string, under: string, atLeast?: number): Goal {
  const bound = atLeast === undefined ? {} : { atLeast };
  return { title, scenario, over: 'rivulet', under, ...bound };
}

export interface MeasuredGoal {
  readonly title: string;
  readonly atLeast: number | undefined;
  /** Undefined: a server or a scenario was left out. */
  readonly ratio: number | undefined;
}

export function measureGoals(scenarios: readonly ScenarioResult[]): MeasuredGoal[] {
  return GOALS.map(({ title, scenario, over, under, atLeast }) => {
    const entries = scenarios.find(({ name }) => name === scenario)?.entries ?? [];
    const [one, other] = [over, under].map((name) => entries.find((entry) => entry.title === name));
    const ratio = one === undefined || other === undefined ? undefined : ratioOf(one, other);
    return { title, atLeast, ratio };
  });
}
