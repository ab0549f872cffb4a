import { median } from '../../serve/statistics.ts';
import type { PullResult } from '../results.ts';
import { total } from './counting-proxy.ts';
import type { Pulled } from './pull-once.ts';

/** The round in the middle by bytes (of two the smaller), the median of the times, every round's bytes. */
export function medianPull(
  turns: readonly Pulled[],
): Pick<PullResult, 'traffic' | 'wallSeconds' | 'rounds'> {
  const bytes = ({ traffic }: Pulled): number => total(traffic).bytes;
  const sorted = turns.toSorted((a, b) => bytes(a) - bytes(b));
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('no rounds');
  return {
    traffic: middle.traffic,
    wallSeconds: median(turns.map(({ wallSeconds }) => wallSeconds)),
    rounds: turns.map(bytes),
  };
}
