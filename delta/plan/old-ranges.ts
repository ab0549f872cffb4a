import { SliceAccess, type RandomAccess } from '../../storage/random-access.ts';

/** Bytes of the base that a part resembles. */
export interface OldRange {
  readonly base: number;
  readonly offset: number;
  readonly length: number;
}

/** Each range once, in the order of first mention, without empty ones. */
export function distinctRanges(ranges: Iterable<OldRange | undefined>): readonly OldRange[] {
  const distinct = new Map<string, OldRange>();
  for (const range of ranges) {
    if (range === undefined || range.length === 0) continue;
    const key = `${range.base} ${range.offset}`;
    if (!distinct.has(key)) distinct.set(key, range);
  }
  return [...distinct.values()];
}

export function sliceOf(bases: readonly RandomAccess[], range: OldRange): RandomAccess {
  const base = bases[range.base];
  if (base === undefined) throw new RangeError(`no base file ${range.base}`);
  return new SliceAccess(base, range.offset, range.length);
}
