import type { EntryResult } from './run-scenario.ts';
import { median } from './statistics.ts';

/** The median over the rounds of one entry's requests/s by another's in the same round. */
export function ratioOf(over: EntryResult, under: EntryResult): number | undefined {
  const ratios = over.turns.flatMap(({ requestsPerSecond }, round) => {
    const other = under.turns[round];
    return other === undefined ? [] : [requestsPerSecond / other.requestsPerSecond];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
