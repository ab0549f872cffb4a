import { isWhole } from '../engine/ours.ts';
import { REFERENCES, type Reference } from '../engine/reference.ts';
import { doneIn, type Results } from '../engine/results.ts';
import { formatCount, formatTable, geometricMean } from '../table.ts';

/** Ours by one of the design's columns, over the pairs that have both. */
export interface AgainstReference {
  readonly coder: string;
  readonly column: keyof Reference;
  readonly ratio: number;
  readonly pairs: number;
}

const COLUMNS = ['bsdiff', 'hdiffpatch', 'zucchini', 'sketch'] as const;

export function againstReference({ coders, rows }: Results): AgainstReference[] {
  return coders
    .filter(({ name }) => isWhole(name))
    .flatMap(({ name }) =>
      COLUMNS.flatMap((column) => {
        const ratios = rows.flatMap((row) => {
          const [done, reference] = [doneIn(row, name), REFERENCES[row.pair]];
          return done === undefined || reference === undefined
            ? []
            : [done.deltaBytes / reference[column]];
        });
        const pairs = ratios.length;
        return pairs === 0 ? [] : [{ coder: name, column, ratio: geometricMean(ratios), pairs }];
      }),
    );
}

/** The design's bytes, and ours by the sketch's, for every pair of its list. */
export function referenceTable(results: Results): string {
  const ours = results.coders.filter(({ name }) => isWhole(name));
  const means = againstReference(results);
  const lines = results.rows.flatMap((row) => {
    const reference = REFERENCES[row.pair];
    if (reference === undefined) return [];
    const ratios = ours.map(({ name }) => {
      const done = doneIn(row, name);
      return done === undefined ? '' : (done.deltaBytes / reference.sketch).toFixed(3);
    });
    return [[row.pair, ...COLUMNS.map((column) => formatCount(reference[column])), ...ratios]];
  });
  const meanBy = (coder: string, column: string): number | undefined =>
    means.find((mean) => mean.coder === coder && mean.column === column)?.ratio;
  const feet = ours.map(({ name, title }) => [
    `${title} / this, geometric mean`,
    ...COLUMNS.map((column) => meanBy(name, column)?.toFixed(3) ?? ''),
    ...ours.map(() => ''),
  ]);
  const head = ['bsdiff', 'HDiffPatch', 'Zucchini + xz', 'sketch'];
  return formatTable(
    ['pair', ...head, ...ours.map(({ title }) => `${title} / sketch`)],
    [...lines, ...feet],
  );
}
