import type { Use } from '../../engine/measure.ts';
import { median } from '../../serve/statistics.ts';
import type { DeltaBytes } from './delta-bytes.ts';

/** Processor time and memory of a work. */
export type Cost = Pick<Use, 'cpuSeconds' | 'wallSeconds' | 'peakBytes'>;

/** A delta that a program made, as a process of its own, start included. */
export interface Generated {
  readonly bytes: DeltaBytes;
  /** Of making it. */
  readonly cost: Cost;
  /** With the proof, by the programs that prove what they make. */
  readonly proved: Cost | undefined;
}

/** The deltas of several rounds as one: their bytes are the same or nearly so; medians. */
export function medianGenerated(turns: readonly Generated[]): Generated {
  const [first] = turns;
  if (first === undefined) throw new Error('no rounds');
  const proved = turns.flatMap((turn) => turn.proved ?? []);
  return {
    bytes: first.bytes,
    cost: medianCost(turns.map(({ cost }) => cost)),
    proved: proved.length === 0 ? undefined : medianCost(proved),
  };
}

function medianCost(costs: readonly Cost[]): Cost {
  const middle = (pick: (cost: Cost) => number): number => median(costs.map(pick));
  return {
    cpuSeconds: middle(({ cpuSeconds }) => cpuSeconds),
    wallSeconds: middle(({ wallSeconds }) => wallSeconds),
    peakBytes: middle(({ peakBytes }) => peakBytes),
  };
}
