import type { RandomAccess } from '../../../../storage/random-access.ts';
import type { ContentSamples } from './content-samples.ts';
import type { FileObject, ObjectSource } from './delta-objects.ts';

/** In smaller files the compressor itself sees what is equal. */
const LEAST_BYTES = 32 * 1024;
/** A source has this part of the samples. */
const LEAST_SHARE = 1 / 4;

/** The files of the part at hand as sources of later ones in it. */
export class PartFiles {
  readonly #source: ObjectSource;
  readonly #files: FileObject[] = [];
  readonly #bySum = new Map<number, number[]>();

  constructor(source: ObjectSource) {
    this.#source = source;
  }

  /** Tells of a file that the part makes and that may be a source. */
  add(file: FileObject, samples: ContentSamples): void {
    if (file.size < LEAST_BYTES) return;
    const number = this.#files.push(file) - 1;
    for (const sum of samples.sums) {
      const known = this.#bySum.get(sum);
      if (known === undefined) this.#bySum.set(sum, [number]);
      else known.push(number);
    }
  }

  /** The file most alike; undefined for none that is alike enough. */
  alike({ sums }: ContentSamples): FileObject | undefined {
    const shared = new Map<number, number>();
    for (const sum of sums) {
      for (const number of this.#bySum.get(sum) ?? []) {
        shared.set(number, (shared.get(number) ?? 0) + 1);
      }
    }
    let best: number | undefined;
    let most = sums.length * LEAST_SHARE;
    for (const [number, count] of shared) {
      if (count < most || (count === most && best !== undefined && number > best)) continue;
      best = number;
      most = count;
    }
    return best === undefined ? undefined : this.#files[best];
  }

  async withContent<T>(file: FileObject, work: (content: RandomAccess) => Promise<T>): Promise<T> {
    const opened = await this.#source.openContent(file);
    try {
      return await work(opened.content);
    } finally {
      await opened.close?.();
    }
  }
}
