// A mixer of contexts (CODING.md, "Mixer"): what each context has seen, weighed by sets of weights.

import type { BitSource } from './bit-reader.ts';
import { squash, stretch } from './logistic.ts';
import { clamp, u32 } from './word.ts';

export interface MixerShape {
  readonly contexts: number;
  /** The table of slots has 2^tableBits. */
  readonly tableBits: number;
  /** How many sets of weights each group has. */
  readonly sets: readonly number[];
  readonly finals: number;
  /** How many contexts each of the two refining maps has: a power of two. */
  readonly refine: number;
  /** Highest count of a slot. */
  readonly limit: number;
}

/** What a decision selects. */
export interface Choice {
  /** Mixed into the hashes of all contexts before `steadyFrom`. */
  readonly salt?: number;
  readonly steadyFrom?: number;
  /** One set of each group. */
  readonly sets: readonly number[];
  readonly final?: number;
  readonly refine: readonly [number, number];
}

const SALT = 0xd6e8feb9;
const STEP = 0x9e3779b1;
const COLUMNS = 40;
const ROWS = 9;
const REFINED = 33;
const BIAS = 1024;

/** A context's slot in this decision. */
interface Found {
  readonly place: number;
  readonly check: number;
  readonly p: number;
  readonly count: number;
  /** Place in the certainty maps. */
  readonly map: number;
}

export class Mixer {
  readonly #shape: MixerShape;
  readonly #checks: Uint8Array;
  readonly #counts: Uint8Array;
  readonly #odds: Uint16Array;
  readonly #maps: Uint16Array;
  readonly #sets: readonly (readonly Int16Array[])[];
  readonly #finals: readonly Int32Array[];
  readonly #refined: readonly [Uint16Array, Uint16Array];
  readonly #inputs: Int16Array;
  #decisions = 0;

  constructor(shape: MixerShape) {
    const slots = 1 << shape.tableBits;
    const groups = shape.sets.length;
    this.#shape = shape;
    this.#checks = new Uint8Array(slots);
    this.#counts = new Uint8Array(slots);
    this.#odds = new Uint16Array(slots);
    this.#maps = firstMaps(shape.contexts);
    this.#sets = shape.sets.map((count) =>
      Array.from({ length: count }, () => firstWeights(shape.contexts)),
    );
    this.#finals = Array.from({ length: shape.finals }, () =>
      new Int32Array(groups).fill(Math.trunc(65536 / groups)),
    );
    this.#refined = [firstRefined(shape.refine), firstRefined(shape.refine)];
    this.#inputs = new Int16Array(2 * shape.contexts + 1);
  }

  /** Takes the next decision from `source` and learns from it. */
  code(hashes: readonly number[], choice: Choice, source: BitSource): number {
    const found = this.#find(hashes, choice.salt ?? 0, choice.steadyFrom ?? hashes.length);
    const sets = this.#sets.map((group, i) => at(group, at(choice.sets, i)));
    const votes = sets.map((weights) => this.#vote(weights));
    const final = at(this.#finals, choice.final ?? 0);
    const sum = votes.reduce((total, vote, i) => total + vote * at(final, i), 0);
    const x = clamp(Math.floor(sum / 65536) | 0, -3400, 3400);
    const mixed = squash(x);
    const refined = choice.refine.map(
      (context) => (context & (this.#shape.refine - 1)) * REFINED + ((x + 4096) >>> 8),
    );
    const part = (x + 4096) & 255;
    const r = refined.map((place, i) => {
      const map = at(this.#refined, i);
      return (at(map, place) * (256 - part) + at(map, place + 1) * part) >>> 4;
    });
    const p = (2 * mixed + at(r, 0) + at(r, 1)) >>> 2;
    const bit = source(clamp(p, 6, 1048576 - 6));

    refined.forEach((place, i) => {
      const map = at(this.#refined, i);
      const near = part < 128 ? place : place + 1;
      map[near] = at(map, near) + ((65535 * bit - at(map, near)) >> 5);
    });
    const miss = ((bit << 20) - mixed) >> 4;
    votes.forEach((vote, i) => {
      final[i] = at(final, i) + Math.floor((vote * miss * 2 + 131072) / 262144);
    });
    const early = Math.max(0, 2000 - this.#decisions++);
    const rate = 10 + Math.floor(early / 250);
    sets.forEach((weights, i) => {
      this.#learnWeights(weights, (bit << 20) - squash(at(votes, i)), rate);
    });
    this.#learnSlots(found, bit);
    return bit;
  }

  /** The slots of all contexts; fills the inputs. */
  #find(hashes: readonly number[], salt: number, steadyFrom: number): Found[] {
    const n = this.#shape.contexts;
    const found: Found[] = [];
    for (let i = 0; i < n; i++) {
      const salted = i < steadyFrom ? Math.imul(salt, SALT) : 0;
      const slot = this.#slot(at(hashes, i) + Math.imul(i, STEP) + salted);
      const s = stretch(slot.p);
      const map = (i * ROWS + rowOf(slot.count)) * COLUMNS + ((s + 9728) >> 9);
      this.#inputs[i] = s;
      this.#inputs[n + i] = stretch(at(this.#maps, map));
      found.push({ ...slot, map });
    }
    this.#inputs[2 * n] = BIAS;
    return found;
  }

  /** The slot of a context, perhaps in place of one that was used less. */
  #slot(hash: number): Omit<Found, 'map'> {
    const once = Math.imul(hash, 0x85ebca6b);
    const k = u32(once ^ (once >>> 15));
    const check = Math.max(k >>> 24, 1);
    const first = 2 * ((k ^ (k >>> 9)) & ((1 << (this.#shape.tableBits - 1)) - 1));
    for (const place of [first, first + 1]) {
      if (this.#checks[place] !== check) continue;
      return { place, check, p: at(this.#odds, place), count: at(this.#counts, place) };
    }
    const a = at(this.#counts, first);
    const b = at(this.#counts, first + 1);
    const isFirst = check % 2 === 0 ? a <= b : a < b;
    return { place: isFirst ? first : first + 1, check, p: 32768, count: 0 };
  }

  #vote(weights: Int16Array): number {
    let sum = 0;
    for (let i = 0; i < weights.length; i++) {
      sum = (sum + Math.imul(this.#inputs[i] ?? 0, weights[i] ?? 0)) | 0;
    }
    return clamp(sum >> 16, -3000, 3000);
  }

  #learnWeights(weights: Int16Array, miss: number, rate: number): void {
    const e = ((miss >> 4) * rate + 64) >> 7;
    for (let i = 0; i < weights.length; i++) {
      const change = (Math.imul(this.#inputs[i] ?? 0, e) + 16384) >> 15;
      weights[i] = clamp((weights[i] ?? 0) + change, -32768, 32767);
    }
  }

  /** Two contexts may have one slot: the later one's is kept. */
  #learnSlots(found: readonly Found[], bit: number): void {
    const goal = 65535 * bit;
    for (const slot of found) {
      const rate = Math.floor(655360 / (10 * slot.count + 16));
      this.#checks[slot.place] = slot.check;
      this.#counts[slot.place] = slot.count + (slot.count < this.#shape.limit ? 1 : 0);
      this.#odds[slot.place] = slot.p + Math.floor(((goal - slot.p) * rate) / 65536);
      const mapped = at(this.#maps, slot.map);
      this.#maps[slot.map] = mapped + ((goal - mapped) >> 6);
    }
  }
}

function at<T>(list: { readonly [index: number]: T }, index: number): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`no element ${index}`);
  return value;
}

/** Counts that are about as certain. */
function rowOf(count: number): number {
  if (count < 4) return count;
  return count < 6 ? 4 : count < 9 ? 5 : count < 15 ? 6 : count < 31 ? 7 : 8;
}

function firstMaps(contexts: number): Uint16Array {
  const map: number[] = [];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const middle = ((column - 19) * 512 + 256) / 4;
      const sure = row === 0 ? 0 : row < 4 ? Math.trunc((middle * (row + 3)) / 8) : middle;
      map.push(squash(sure) >> 4);
    }
  }
  return Uint16Array.from(Array.from({ length: contexts }, () => map).flat());
}

function firstWeights(contexts: number): Int16Array {
  const weights = new Int16Array(2 * contexts + 1);
  weights.fill(Math.trunc(14745 / contexts), 0, contexts);
  weights.fill(Math.trunc(4915 / contexts), contexts, 2 * contexts);
  return weights;
}

function firstRefined(contexts: number): Uint16Array {
  const row = Array.from({ length: REFINED }, (_, step) => squash((step - 16) * 256) >> 4);
  return Uint16Array.from(Array.from({ length: contexts }, () => row).flat());
}
