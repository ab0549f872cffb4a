import type { ContentSamples } from './content-samples.ts';

/** A sum and a file's number share the 53 bits of a double. */
const FILE_NUMBERS = 2 ** 21;
/** Sums that more files have say nothing. */
const MAX_FILES_PER_SUM = 16;
/** A source has this many of the samples, and this part of those that can be compared. */
const LEAST_SHARED = 4;
const LEAST_SHARE = 1 / 12;

/** A file that has samples of another one. */
export interface Alike<F> {
  readonly file: F;
  /** Of the samples that can be compared, the part that it has. */
  readonly share: number;
}

/** Files by the samples of their content: who has most in common with another one. */
export class SimilarityIndex<F> {
  readonly #files: readonly { readonly file: F; readonly rate: number }[];
  /** Sum times {@link FILE_NUMBERS} plus the file's number, ascending. */
  readonly #entries: Float64Array;

  /** Takes up to 2^21 files; the order decides between equals. */
  constructor(files: readonly { readonly file: F; readonly samples: ContentSamples }[]) {
    const taken = files.slice(0, FILE_NUMBERS);
    this.#files = taken.map(({ file, samples }) => ({ file, rate: samples.rate }));
    const count = taken.reduce((total, { samples }) => total + samples.sums.length, 0);
    this.#entries = new Float64Array(count);
    let at = 0;
    taken.forEach(({ samples }, number) => {
      for (const sum of samples.sums) this.#entries[at++] = sum * FILE_NUMBERS + number;
    });
    this.#entries.sort();
  }

  /** The files most alike, best first, at most `limit`. */
  alike(samples: ContentSamples, limit: number): readonly Alike<F>[] {
    const shared = new Map<number, number>();
    for (const sum of samples.sums) {
      for (const number of this.#filesOf(sum)) shared.set(number, (shared.get(number) ?? 0) + 1);
    }
    const found: (Alike<F> & { readonly number: number })[] = [];
    for (const [number, count] of shared) {
      const entry = this.#files[number];
      if (entry === undefined || count < LEAST_SHARED) continue;
      // Of samples taken at a lower rate, only some were looked for in a file sampled at a higher.
      const comparable = samples.sums.length / 2 ** Math.max(0, entry.rate - samples.rate);
      const share = Math.min(1, count / comparable);
      if (share >= LEAST_SHARE) found.push({ file: entry.file, share, number });
    }
    found.sort((a, b) => b.share - a.share || a.number - b.number);
    return found.slice(0, limit);
  }

  #filesOf(sum: number): readonly number[] {
    const first = sum * FILE_NUMBERS;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] ?? 0) < first) low = middle + 1;
      else high = middle;
    }
    const numbers: number[] = [];
    for (let at = low; at < this.#entries.length; at += 1) {
      const number = (this.#entries[at] ?? 0) - first;
      if (number >= FILE_NUMBERS) break;
      if (numbers.length === MAX_FILES_PER_SUM) return [];
      numbers.push(number);
    }
    return numbers;
  }
}
