import type { ByteRange } from '../../storage/object-store.ts';

/** Which bytes of a blob were seen, or are here. */
export class Coverage {
  /** Ascending, apart from each other. */
  #ranges: readonly ByteRange[] = [];

  /** How many. */
  get bytes(): number {
    return this.overlap({ start: 0, endExclusive: Infinity });
  }

  /** The first bytes of a range that are not covered; undefined when all are. */
  hole({ start, endExclusive }: ByteRange): ByteRange | undefined {
    const first = this.#ranges.find((range) => range.endExclusive > start);
    const from = first !== undefined && first.start <= start ? first.endExclusive : start;
    if (from >= endExclusive) return undefined;
    const next = this.#ranges.find((range) => range.start > from);
    return { start: from, endExclusive: Math.min(endExclusive, next?.start ?? endExclusive) };
  }

  /** Adds a range; returns how many bytes of it were there already. */
  add(range: ByteRange): number {
    const known = this.overlap(range);
    let { start, endExclusive } = range;
    const apart: ByteRange[] = [];
    for (const one of this.#ranges) {
      if (one.endExclusive < start || one.start > endExclusive) apart.push(one);
      else {
        start = Math.min(start, one.start);
        endExclusive = Math.max(endExclusive, one.endExclusive);
      }
    }
    this.#ranges = [...apart, { start, endExclusive }].sort((a, b) => a.start - b.start);
    return known;
  }

  /** Takes a range out. */
  remove({ start, endExclusive }: ByteRange): void {
    this.#ranges = this.#ranges
      .flatMap((one) => [
        { start: one.start, endExclusive: Math.min(one.endExclusive, start) },
        { start: Math.max(one.start, endExclusive), endExclusive: one.endExclusive },
      ])
      .filter((one) => one.start < one.endExclusive);
  }

  /** Adds all that another has. */
  addAll(other: Coverage): void {
    for (const range of other.#ranges) this.add(range);
  }

  /** Bytes of a range that are covered. */
  overlap({ start, endExclusive }: ByteRange): number {
    return this.#ranges.reduce((sum, one) => {
      const bytes = Math.min(endExclusive, one.endExclusive) - Math.max(start, one.start);
      return sum + Math.max(0, bytes);
    }, 0);
  }
}
