import type { ByteRange } from '../../../storage/object-store.ts';

/** Which bytes of a blob were seen. */
export class Coverage {
  /** Ascending, apart from each other. */
  #ranges: readonly ByteRange[] = [];

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

/** The same for every blob, by digest. */
export class Coverages {
  readonly #blobs = new Map<string, Coverage>();

  of(digest: string): Coverage {
    const known = this.#blobs.get(digest);
    if (known !== undefined) return known;
    const made = new Coverage();
    this.#blobs.set(digest, made);
    return made;
  }

  addAll(other: Coverages): void {
    for (const [digest, coverage] of other.#blobs) this.of(digest).addAll(coverage);
  }
}
