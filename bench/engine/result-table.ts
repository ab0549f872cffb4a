import { formatTable } from '../table.ts';
import { doneIn, type Figure, type Results } from './results.ts';

/** A line under the pairs: its title, and a cell for each coder. */
export type Footer = readonly [title: string, ...cells: string[]];

/** Pairs down, coders across: one figure of each. */
export function resultTable(
  { coders, rows }: Results,
  format: (value: number) => string,
  pick: Figure,
  footers: readonly Footer[] = [],
): string {
  const lines = rows.map((row) => [
    row.pair,
    (row.newBytes / 1e6).toFixed(1),
    ...coders.map(({ name }) => {
      const done = doneIn(row, name);
      return done === undefined ? 'failed' : format(pick(done, row, name));
    }),
  ]);
  const feet = footers.map(([title, ...cells]) => [title, '', ...cells]);
  return formatTable(['pair', 'new MB', ...coders.map(({ title }) => title)], [...lines, ...feet]);
}

/** The coders' cells of a footer; an undefined value shows as nothing. */
export function footer(
  { coders }: Results,
  title: string,
  cell: (coder: string) => number | undefined,
  digits: number,
): Footer {
  return [title, ...coders.map(({ name }) => cell(name)?.toFixed(digits) ?? '')];
}

/** Numbers with so many digits after the point. */
export function fixed(digits: number): (value: number) => string {
  return (value) => value.toFixed(digits);
}
