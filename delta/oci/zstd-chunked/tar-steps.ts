import { BLOCK_BYTES } from '../../../storage/tar/header.ts';
import { TarWalk, type WalkedEntry } from '../../../storage/tar/tar-walk.ts';

/** A piece of a tar's bytes, or what happens between two. `start` and `end` count in the piece at hand. */
export type TarStep =
  /** Headers and padding. */
  | { readonly kind: 'gap'; readonly start: number; readonly end: number }
  /** The gap before ended with this entry's headers. */
  | { readonly kind: 'open'; readonly entry: WalkedEntry }
  | { readonly kind: 'content'; readonly start: number; readonly end: number }
  /** The content of the entry that was opened last is through. */
  | { readonly kind: 'close' };

/** Tells a tar that comes in pieces apart into contents and what lies between them. */
export class TarSteps {
  readonly #walk: TarWalk;
  /** Entries whose headers' end was not reached. */
  readonly #entries: WalkedEntry[] = [];
  /** The byte that comes next. */
  #position = 0;
  /** Where the content that is being read ends. */
  #contentEnd: number | undefined;
  #gapStart = 0;
  /** Where the last entry's blocks end. */
  #lastEnd = 0;

  constructor() {
    this.#walk = new TarWalk((entry) => this.#entries.push(entry));
  }

  /** What is in the next piece. */
  through(raw: Buffer): readonly TarStep[] {
    this.#walk.push(raw);
    const base = this.#position;
    const limit = base + raw.length;
    const steps: TarStep[] = [];
    const goTo = (kind: 'gap' | 'content', to: number): void => {
      if (to > this.#position) steps.push({ kind, start: this.#position - base, end: to - base });
      this.#position = to;
    };
    while (this.#position < limit) {
      if (this.#contentEnd !== undefined) {
        goTo('content', Math.min(this.#contentEnd, limit));
        if (this.#position === this.#contentEnd) {
          steps.push({ kind: 'close' });
          this.#contentEnd = undefined;
          this.#gapStart = this.#position;
        }
        continue;
      }
      const [entry] = this.#entries;
      if (entry === undefined || entry.payloadStart > limit) {
        goTo('gap', limit);
        continue;
      }
      goTo('gap', entry.payloadStart);
      this.#entries.shift();
      steps.push({ kind: 'open', entry });
      this.#opened(entry);
    }
    return steps;
  }

  /** At the end: of the gap behind the last content, how many bytes fill up its last block. */
  finish(): number {
    this.#walk.end();
    return this.#lastEnd - this.#gapStart;
  }

  #opened({ payloadStart, size, storesPayload }: WalkedEntry): void {
    const bytes = storesPayload ? size : 0;
    this.#lastEnd = payloadStart + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
    this.#gapStart = payloadStart;
    if (bytes > 0) this.#contentEnd = payloadStart + bytes;
  }
}
