import type { Goal } from '../engine/goals.ts';
import { isWhole, OURS, type Profile } from '../engine/ours.ts';
import { doneIn, type Results, type Row } from '../engine/results.ts';
import { againstReference } from './reference-table.ts';

/** What a delta may be longer than its new file by zstd -19. */
const SPARE_BYTES = 64;

/** The first lines of the table of profiles, and its two promises for every pair. */
export function sizeGoals(results: Results): Goal[] {
  const ratios = againstReference(results);
  const sketch = (profile: Profile, value: number): Goal => {
    const found = ratios.find(
      ({ coder, column }) => coder === OURS[profile] && column === 'sketch',
    );
    return {
      title: `${profile}: bytes against the sketch, geometric mean`,
      bound: { kind: 'at most', value },
      unit: 'x',
      measured: found?.ratio,
      over: `${found?.pairs ?? 0} pairs`,
    };
  };
  return [
    sketch('small', 0.57),
    sketch('fast', 1),
    larger(results, 'pairs larger than HDiffPatch', 'hdiffpatch', 0),
    larger(results, 'pairs larger than zstd -19 of the new file', 'full', SPARE_BYTES),
  ];
}

/** How many of our deltas are larger than a peer's by more than `spare` bytes. */
function larger({ rows, coders }: Results, title: string, peer: string, spare: number): Goal {
  const ours = coders.filter(({ name }) => isWhole(name));
  const counted = rows.filter(
    (row) =>
      doneIn(row, peer) !== undefined && ours.some(({ name }) => doneIn(row, name) !== undefined),
  );
  const isLarger = (row: Row, name: string): boolean =>
    (doneIn(row, name)?.deltaBytes ?? 0) > (doneIn(row, peer)?.deltaBytes ?? 0) + spare;
  const found = counted.flatMap((row) =>
    ours
      .filter(({ name }) => isLarger(row, name))
      .map(({ title: ourTitle }) => `${row.pair} ${ourTitle}`),
  );
  return {
    title,
    bound: { kind: 'at most', value: 0 },
    unit: '',
    measured: counted.length === 0 ? undefined : found.length,
    over: found.length === 0 ? `${counted.length} pairs` : found.join(', '),
  };
}
