import { NO_BYTE, type OldView } from './old-view.ts';
import { u32 } from './word.ts';

/** An old place that is followed beside a run of literals. */
export class Neighbour {
  readonly exists: boolean;
  /** A bit for each of the last bytes or instructions that was not the new one, the latest lowest. */
  misses = 0xff;
  /** Old minus new offset. */
  #shift: number;
  readonly #view: OldView;

  /** `old` is the place beside new offset `at`, if there is one. */
  constructor(view: OldView, old: number | undefined, at: number) {
    this.#view = view;
    this.exists = old !== undefined;
    this.#shift = u32((old ?? 0) - at);
  }

  /** The old place beside new offset `n`. */
  place(n: number): number {
    return u32(n + this.#shift);
  }

  /** The old byte as it would look at new offset `n`. */
  byte(n: number): number {
    return this.exists ? this.#view.byte(this.place(n), n) : NO_BYTE;
  }

  /** The old byte `distance` after the one beside `n` as it is; 0 if there is none. */
  plain(n: number, distance: number): number {
    return this.#view.plain(u32(this.place(n) + distance));
  }

  isPlace(old: number): boolean {
    return old < this.#view.oldBytes;
  }

  note(isRight: boolean): void {
    this.misses = u32(this.misses * 2 + (isRight ? 0 : 1));
  }

  /** The new code has `bytes` bytes less than the old one. */
  shift(bytes: number): void {
    this.#shift = u32(this.#shift + bytes);
  }

  /**
   * Follows insertions and deletions: looks up to `reach` bytes away, by `step`, for the old place
   * before which the bytes `last` stand, the last one first. It is then the one beside `n`. There must
   * be `needed` old bytes from it on.
   */
  realign(n: number, last: readonly number[], step: number, reach: number, needed: number): void {
    const from = this.place(n);
    for (let distance = step; distance <= reach; distance += step) {
      for (const old of [u32(from - distance), u32(from + distance)]) {
        if (old < last.length || old + needed > this.#view.oldBytes) continue;
        if (!last.every((byte, i) => this.#view.plain(old - 1 - i) === byte)) continue;
        this.#shift = u32(old - n);
        this.misses = 1;
        return;
      }
    }
  }
}
