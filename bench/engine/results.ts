import { geometricMean } from '../table.ts';
import type { Coder } from './coder.ts';
import type { Done, Outcome } from './run-coder.ts';

/** What every coder did on one pair. */
export interface Row {
  readonly pair: string;
  readonly newBytes: number;
  /** By the coder's name. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

export interface Results {
  /** Ours first. */
  readonly coders: readonly Pick<Coder, 'name' | 'title' | 'tool'>[];
  readonly rows: readonly Row[];
  readonly skipped: readonly { readonly pair: string; readonly reason: string }[];
  /** Programs of peers that are not installed. */
  readonly absent: readonly string[];
}

/** A number of one coder, by its name, on one pair. */
export type Figure = (done: Done, row: Row, coder: string) => number;

export function doneIn(row: Row, coder: string): Done | undefined {
  const outcome = row.outcomes[coder];
  return outcome?.state === 'done' ? outcome : undefined;
}

/** The numbers of two coders on every pair that both did. */
export function bothOf(
  rows: readonly Row[],
  [first, second]: readonly [string, string],
  pick: Figure,
): (readonly [number, number])[] {
  return rows.flatMap((row) => {
    const [a, b] = [doneIn(row, first), doneIn(row, second)];
    return a === undefined || b === undefined
      ? []
      : [[pick(a, row, first), pick(b, row, second)] as const];
  });
}

/** The geometric mean of one coder's number by another's; undefined when no pair has both. */
export function meanRatio(
  rows: readonly Row[],
  coders: readonly [string, string],
  pick: Figure,
): number | undefined {
  const ratios = bothOf(rows, coders, pick)
    .filter(([a, b]) => a > 0 && b > 0)
    .map(([a, b]) => a / b);
  return ratios.length === 0 ? undefined : geometricMean(ratios);
}

/** One coder's sum by another's, over the pairs that both did. */
export function sumRatio(
  rows: readonly Row[],
  coders: readonly [string, string],
  pick: Figure,
): number | undefined {
  const both = bothOf(rows, coders, pick);
  const sum = (side: 0 | 1): number => both.reduce((total, pair) => total + pair[side], 0);
  return sum(1) === 0 ? undefined : sum(0) / sum(1);
}

/** The sum of one coder's number over the pairs that it did. */
export function sumOf(rows: readonly Row[], coder: string, pick: Figure): number {
  return rows.reduce((sum, row) => {
    const done = doneIn(row, coder);
    return done === undefined ? sum : sum + pick(done, row, coder);
  }, 0);
}

/** Pairs that every coder did, one that did none aside: over these their sums compare. */
export function commonRows({ rows, coders }: Results): Row[] {
  const able = coders.filter(({ name }) => rows.some((row) => doneIn(row, name) !== undefined));
  return rows.filter((row) => able.every(({ name }) => doneIn(row, name) !== undefined));
}

/** One line for every coder that failed on a pair. */
export function failuresOf({ rows, coders }: Results): string[] {
  return rows.flatMap(({ pair, outcomes }) =>
    coders.flatMap(({ name, title }) => {
      const outcome = outcomes[name];
      return outcome?.state === 'failed' ? [`${title} failed on ${pair}: ${outcome.reason}`] : [];
    }),
  );
}
