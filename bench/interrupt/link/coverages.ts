import { Coverage } from '../../../delta/agent/coverage.ts';

/** Which bytes of every blob were seen, by digest. */
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
