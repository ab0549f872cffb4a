/** The kernel's classes of cost, in its order (kernel/code/cost.ts); counters of old sections follow. */
const CLASSES: readonly string[] = [
  'control',
  'where 32 bytes differ',
  'which of them differ',
  'differences',
  'literals',
  '.eh_frame',
];

/** Bytes spent; fractions, since bits share bytes. */
export interface Spent {
  /** By what was coded. They add up to everything. */
  readonly classes: readonly { readonly what: string; readonly bytes: number }[];
  /** The same bytes by the old section that was copied from; `section` is undefined outside of all. */
  readonly sections: readonly { readonly section: number | undefined; readonly bytes: number }[];
}

/** Names the kernel's counters, leaving out what cost nothing; undefined when nothing was counted. */
export function nameStatistics(counters: readonly number[]): Spent | undefined {
  const classes = CLASSES.map((what, n) => ({ what, bytes: counters[n] ?? 0 }));
  const sections = counters
    .slice(CLASSES.length)
    .map((bytes, n) => ({ section: n === 0 ? undefined : n - 1, bytes }));
  const spent = <T extends { readonly bytes: number }>(rows: readonly T[]): readonly T[] =>
    rows.filter(({ bytes }) => bytes > 0);
  if (spent(classes).length === 0) return undefined;
  return { classes: spent(classes), sections: spent(sections) };
}

/** Adds counters up, number by number. */
export function addStatistics(a: readonly number[], b: readonly number[]): readonly number[] {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  return long.map((bytes, n) => bytes + (short[n] ?? 0));
}
