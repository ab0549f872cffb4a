// A mixer of contexts (CODING.md, "Mixer"): what each context has seen, weighed by sets of weights.

import type { BitSource } from './bit-reader.ts';
import { squash } from './logistic.ts';
import { Slots } from './slots.ts';
import { clamp } from './word.ts';

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

const BIAS = 1024;

export class Mixer {
  readonly #slots: Slots;
  readonly #sets: readonly (readonly Int16Array[])[];
  readonly #finals: readonly Int32Array[];
  readonly #refined: readonly [RefiningMap, RefiningMap];
  readonly #inputs: Int16Array;
  #decisions = 0;

  constructor(shape: MixerShape) {
    const { contexts, finals, refine, sets } = shape;
    this.#slots = new Slots(contexts, shape.tableBits, shape.limit);
    this.#sets = sets.map((count) => Array.from({ length: count }, () => firstWeights(contexts)));
    this.#finals = Array.from({ length: finals }, () =>
      new Int32Array(sets.length).fill(Math.trunc(65536 / sets.length)),
    );
    this.#refined = [new RefiningMap(refine), new RefiningMap(refine)];
    this.#inputs = new Int16Array(2 * contexts + 1);
    this.#inputs[2 * contexts] = BIAS;
  }

  /** Takes the next decision from `source` and learns from it. */
  code(hashes: readonly number[], choice: Choice, source: BitSource): number {
    const { salt = 0, steadyFrom = hashes.length } = choice;
    this.#slots.find(hashes, salt, steadyFrom, this.#inputs);
    const sets = this.#sets.map((group, i) => chosen(group, choice.sets[i]));
    const votes = sets.map((weights) => this.#vote(weights));
    const final = chosen(this.#finals, choice.final ?? 0);
    const sum = votes.reduce((total, vote, i) => total + vote * (final[i] ?? 0), 0);
    const x = clamp(Math.floor(sum / 65536) | 0, -3400, 3400);
    const mixed = squash(x);
    const [map0, map1] = this.#refined;
    const [context0, context1] = choice.refine;
    const p = (2 * mixed + map0.find(context0, x) + map1.find(context1, x)) >>> 2;
    const bit = source(clamp(p, 6, 1048576 - 6));

    const goal = bit << 20;
    map0.learn(bit);
    map1.learn(bit);
    const miss = (goal - mixed) >> 4;
    votes.forEach((vote, i) => {
      final[i] = (final[i] ?? 0) + Math.floor((vote * miss * 2 + 131072) / 262144);
    });
    const rate = 10 + Math.floor(Math.max(0, 2000 - this.#decisions++) / 250);
    sets.forEach((weights, i) => {
      this.#learnWeights(weights, goal - squash(votes[i] ?? 0), rate);
    });
    this.#slots.learn(bit);
    return bit;
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
}

function chosen<T>(list: readonly T[], index: number | undefined): T {
  const value = list[index ?? -1];
  if (value === undefined) throw new RangeError(`no set ${index ?? 'chosen'}`);
  return value;
}

function firstWeights(contexts: number): Int16Array {
  const weights = new Int16Array(2 * contexts + 1);
  weights.fill(Math.trunc(14745 / contexts), 0, contexts);
  weights.fill(Math.trunc(4915 / contexts), contexts, 2 * contexts);
  return weights;
}

const STEPS = 33;

/** What mixed probabilities came to, by context. */
class RefiningMap {
  readonly #contexts: number;
  readonly #map: Uint16Array;
  /** The step nearest to the last value asked for. */
  #near = 0;

  constructor(contexts: number) {
    this.#contexts = contexts;
    const row = Uint16Array.from({ length: STEPS }, (_, step) => squash((step - 16) * 256) >> 4);
    this.#map = new Uint16Array(contexts * STEPS);
    for (let i = 0; i < contexts; i++) this.#map.set(row, i * STEPS);
  }

  /** Probability in 20 bits for a mixed value. */
  find(context: number, x: number): number {
    const place = (context & (this.#contexts - 1)) * STEPS + ((x + 4096) >> 8);
    const part = (x + 4096) & 255;
    this.#near = part < 128 ? place : place + 1;
    const below = this.#map[place] ?? 0;
    const above = this.#map[place + 1] ?? 0;
    return (below * (256 - part) + above * part) >>> 4;
  }

  learn(bit: number): void {
    const known = this.#map[this.#near] ?? 0;
    this.#map[this.#near] = known + ((65535 * bit - known) >> 5);
  }
}
