// What each context of a mixer has seen (CODING.md, "Slots").

import { stretch, squash } from './logistic.ts';
import { u32 } from './word.ts';

const SALT = 0xd6e8feb9;
const STEP = 0x9e3779b1;
const COLUMNS = 40;
const ROWS = 9;

/** A probability, a count and a check for each of 2^bits places, in buckets of two. */
export class Slots {
  readonly #contexts: number;
  readonly #bucketMask: number;
  readonly #limit: number;
  readonly #odds: Uint16Array;
  readonly #counts: Uint8Array;
  readonly #checks: Uint8Array;
  /** For each context: what slots of a row (how certain) and a column (how likely) came to. */
  readonly #maps: Uint16Array;
  // The slots of the decision at hand: where they are, what they held, and their place in the maps.
  readonly #places: Uint32Array;
  readonly #foundChecks: Uint8Array;
  readonly #foundOdds: Uint16Array;
  readonly #foundCounts: Uint8Array;
  readonly #mapPlaces: Uint32Array;

  constructor(contexts: number, bits: number, limit: number) {
    this.#contexts = contexts;
    this.#bucketMask = (1 << (bits - 1)) - 1;
    this.#limit = limit;
    this.#odds = new Uint16Array(1 << bits);
    this.#counts = new Uint8Array(1 << bits);
    this.#checks = new Uint8Array(1 << bits);
    this.#maps = firstMaps(contexts);
    this.#places = new Uint32Array(contexts);
    this.#foundChecks = new Uint8Array(contexts);
    this.#foundOdds = new Uint16Array(contexts);
    this.#foundCounts = new Uint8Array(contexts);
    this.#mapPlaces = new Uint32Array(contexts);
  }

  /** Finds the slot of each context and puts its two inputs: as it is, and as such slots came to. */
  find(hashes: readonly number[], salt: number, steadyFrom: number, inputs: Int16Array): void {
    const n = this.#contexts;
    if (hashes.length !== n) throw new RangeError(`${hashes.length} contexts of ${n}`);
    for (let i = 0; i < n; i++) {
      const salted = i < steadyFrom ? Math.imul(salt, SALT) : 0;
      this.#findSlot(i, (hashes[i] ?? 0) + Math.imul(i, STEP) + salted);
      const s = stretch(this.#foundOdds[i] ?? 0);
      const row = i * ROWS + rowOf(this.#foundCounts[i] ?? 0);
      const place = row * COLUMNS + ((s + 9728) >> 9);
      this.#mapPlaces[i] = place;
      inputs[i] = s;
      inputs[n + i] = stretch(this.#maps[place] ?? 0);
    }
  }

  /** A context without a slot takes the one of its bucket that was used less. */
  #findSlot(i: number, hash: number): void {
    const once = Math.imul(hash, 0x85ebca6b);
    const k = u32(once ^ (once >>> 15));
    const check = Math.max(k >>> 24, 1);
    const first = 2 * ((k ^ (k >>> 9)) & this.#bucketMask);
    let place = first;
    if (this.#checks[first] !== check) place = first + 1;
    const isKnown = this.#checks[place] === check;
    if (!isKnown) {
      const a = this.#counts[first] ?? 0;
      const b = this.#counts[first + 1] ?? 0;
      const isFirst = check % 2 === 0 ? a <= b : a < b;
      place = isFirst ? first : first + 1;
    }
    this.#places[i] = place;
    this.#foundChecks[i] = check;
    this.#foundOdds[i] = isKnown ? (this.#odds[place] ?? 0) : 32768;
    this.#foundCounts[i] = isKnown ? (this.#counts[place] ?? 0) : 0;
  }

  /** Learns the decision. Two contexts may have one slot: the later one's is kept. */
  learn(bit: number): void {
    const goal = 65535 * bit;
    for (let i = 0; i < this.#contexts; i++) {
      const place = this.#places[i] ?? 0;
      const p = this.#foundOdds[i] ?? 0;
      const count = this.#foundCounts[i] ?? 0;
      const rate = Math.floor(655360 / (10 * count + 16));
      this.#checks[place] = this.#foundChecks[i] ?? 0;
      this.#counts[place] = count + (count < this.#limit ? 1 : 0);
      this.#odds[place] = p + Math.floor(((goal - p) * rate) / 65536);
      const map = this.#mapPlaces[i] ?? 0;
      const mapped = this.#maps[map] ?? 0;
      this.#maps[map] = mapped + ((goal - mapped) >> 6);
    }
  }
}

/** Counts that are about as certain. */
function rowOf(count: number): number {
  if (count < 4) return count;
  return count < 6 ? 4 : count < 9 ? 5 : count < 15 ? 6 : count < 31 ? 7 : 8;
}

function firstMaps(contexts: number): Uint16Array {
  const map = new Uint16Array(ROWS * COLUMNS);
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const middle = ((column - 19) * 512 + 256) / 4;
      const sure = row === 0 ? 0 : row < 4 ? Math.trunc((middle * (row + 3)) / 8) : middle;
      map[row * COLUMNS + column] = squash(sure) >> 4;
    }
  }
  const maps = new Uint16Array(contexts * map.length);
  for (let i = 0; i < contexts; i++) maps.set(map, i * map.length);
  return maps;
}
