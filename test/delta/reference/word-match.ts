// An earlier place of the section where the same two or three instructions came last.

import { Bytes } from './bytes.ts';
import type { Output } from './output.ts';
import type { Units } from './word-units.ts';
import { hash, u32 } from './word.ts';

/** Farther back bytes may be gone. */
const REACH = 65536 - 1024;
/** How many instructions count as matched at first: two were compared, or three. */
const SHORT = 2;
const LONG = 6;
const MAX_LENGTH = 30;
const MAX_MISSES = 3;

interface Place {
  readonly n: number;
  /** Of the last two instructions and of the last three, 16 bits each. */
  readonly check2: number;
  readonly check3: number;
}

export interface WordExpectation {
  /** Meaningless when `length` is 0. */
  readonly word: number;
  /** How many instructions were right. */
  readonly length: number;
  /** A bit for each of the last ones that was wrong, the latest lowest. */
  readonly misses: number;
}

export class WordMatch {
  /** By 14 bits of the hash of the last two instructions. */
  readonly #places = new Map<number, Place>();
  #at = 0;
  #word = 0;
  #length = 0;
  #misses = 0;

  drop(): void {
    this.#length = 0;
  }

  /** Place `n` is known by the instructions before it, the latest first. */
  note(n: number, last: readonly number[]): void {
    const [w1 = 0, w2 = 0, w3 = 0] = last;
    const h = hash(w1, w2);
    this.#places.set(h >>> 18, { n, check2: h & 0xffff, check3: hash(h, w3) >>> 16 });
  }

  /** Notes the next place, looks for a match if there is none; what it says of the next instruction. */
  find(out: Output, units: Units, last: readonly number[]): WordExpectation {
    const n = out.at;
    const key = hash(last[0] ?? 0, last[1] ?? 0) >>> 18;
    const place = this.#places.get(key);
    this.note(n, last);
    const now = this.#places.get(key);
    if (this.#length === 0 && place && place.check2 === now?.check2) {
      this.#at = place.n;
      this.#length = place.check3 === now.check3 ? LONG : SHORT;
      this.#misses = 0;
    }
    const back = n - this.#at;
    if (this.#at < out.start || back > REACH || back < 4) this.#length = 0;
    if (this.#length > 0) this.#word = units.of(new Bytes(out.bytes).u32(this.#at), this.#at);
    return { word: this.#word, length: this.#length, misses: this.#misses };
  }

  /** The instruction was `found`. */
  follow(found: number, units: Units): void {
    if (this.#length === 0) return;
    this.#at += units.bytesOf(this.#word);
    const isRight = this.#word === found;
    this.#misses = u32(this.#misses * 2 + (isRight ? 0 : 1));
    if (isRight) this.#length = Math.min(this.#length + 1, MAX_LENGTH);
    else this.#length = ones(this.#misses & 0xff) >= MAX_MISSES ? 0 : 1;
  }
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
