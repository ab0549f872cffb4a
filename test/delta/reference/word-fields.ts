// The new instruction where a predicted one is wrong, unit by unit.

import type { BitReader } from './bit-reader.ts';
import { Mixer, type MixerShape } from './mixer.ts';
import type { WordFlagFacts } from './word-flag-contexts.ts';
import { expectedBit, NO_UNIT, unitOf } from './word-units.ts';
import { hash, u32 } from './word.ts';

const WORD_FIELDS: MixerShape = {
  contexts: 20,
  tableBits: 18,
  sets: [512, 512, 2048, 256],
  finals: 1,
  refine: 1024,
  limit: 250,
};

/** How an operation changed the last time. */
interface Change {
  readonly difference: number;
  readonly made: number;
}

const NO_CHANGE: Change = { difference: 0, made: 0 };

/** A unit at hand. */
interface Unit {
  readonly k: number;
  readonly known: number;
  readonly low: number;
  readonly width: number;
  readonly prefix: number;
  readonly first: number;
  readonly operation: number;
  /** What the predicted operation was the last time that this one was predicted. */
  readonly last: number;
  /** A bit for each unit before that was not as predicted, the latest lowest. */
  readonly misses: number;
  /** Units: predicted, of the runner-up, changed as the last time, what it was the last time. */
  readonly p: number;
  readonly o: number;
  readonly e: number;
  readonly s: number;
  /** Of runner-up and change: 0 none, 1 right so far, 2 wrong. */
  readonly otherState: number;
  readonly againState: number;
}

export class WordFields {
  /** New minus predicted instruction, and the predicted one, of the last that was wrong. */
  lastChange = 0;
  lastPredicted = 0;
  readonly #reader: BitReader;
  readonly #mixer = new Mixer(WORD_FIELDS);
  /** By predicted operation. */
  readonly #changes = new Map<number, Change>();
  /** By predicted register: the new one the last time, + 1. */
  readonly #renamed = new Map<number, number>();

  constructor(reader: BitReader) {
    this.#reader = reader;
  }

  /** The new register where this one was predicted, + 1; 0 unknown. */
  renamedTo(register: number): number {
    return this.#renamed.get(register) ?? 0;
  }

  /** The instruction, of four bytes. */
  code(f: WordFlagFacts): number {
    const { units, predicted, other, before } = f;
    const oldOperation = units.operationOf(predicted);
    const change = this.#changes.get(oldOperation) ?? NO_CHANGE;
    const again = u32(predicted + change.difference);
    let otherState = f.hasOther;
    let againState = change.difference !== 0 ? 1 : 0;
    let last = change.made;
    let prefix = 0;
    let misses = 0;
    let low = 32;
    let first = 0;
    const shape = units.shape(0);
    shape.widths.forEach((width, k) => {
      const known = low;
      low -= width;
      if (known === shape.operationLow) last = this.#changes.get(prefix)?.made ?? 0;
      const part = (word: number, exists: boolean) => (exists ? unitOf(word, low, width) : NO_UNIT);
      const unit: Unit = {
        k,
        known,
        low,
        width,
        prefix,
        first,
        operation: known > shape.operationLow ? prefix : prefix >>> (shape.operationLow - known),
        last,
        misses,
        p: part(predicted, true),
        o: part(other, f.hasOther !== 0),
        e: part(again, change.difference !== 0),
        s: part(before, before !== 0),
        otherState,
        againState,
      };
      const found = this.#unit(f, unit, oldOperation);
      first += 1 << width;
      misses = misses * 2 + (unit.p !== found ? 1 : 0);
      if (unit.o !== NO_UNIT && unit.o !== found) otherState = 2;
      if (unit.e !== NO_UNIT && unit.e !== found) againState = 2;
      prefix = u32((prefix << width) | found);
    });
    this.#learn(f, oldOperation, prefix);
    return prefix;
  }

  #learn({ units, predicted }: WordFlagFacts, oldOperation: number, made: number): void {
    this.lastChange = u32(made - predicted);
    this.lastPredicted = predicted;
    this.#changes.set(oldOperation, { difference: this.lastChange, made });
    this.#renamed.set(units.resultOf(predicted), 1 + units.resultOf(made));
    this.#renamed.set(units.operandOf(predicted), 1 + units.operandOf(made));
  }

  #unit(f: WordFlagFacts, unit: Unit, oldOperation: number): number {
    const { k, width, first, known, prefix, misses, otherState } = unit;
    const { units, kind } = f;
    const agrees = misses === 0 ? 1 : 0;
    const state = k * 64 + (agrees + 2 * otherState) * 9;
    const byClass = k < 2 ? f.predicted : prefix;
    const class1 = (byClass >>> (units.classShift - (k < 2 ? 0 : known))) & 255;
    const states = k | (agrees << 3) | (otherState << 4) | (unit.againState << 6);
    const hashes = this.#contexts(f, unit, oldOperation);
    let symbol = 1;
    for (let bit = width - 1; bit >= 0; bit--) {
      const says = (part: number) => expectedBit(part, symbol, bit, width);
      const ep = says(unit.p);
      const eo = says(unit.o);
      const votes = ep | (eo << 2) | (says(unit.e) << 4) | (says(unit.s) << 6);
      const steady = [hash(18, votes, states, kind), hash(19, ep, k | (misses << 3), bit)];
      const decision = this.#mixer.code(
        [...hashes, ...steady],
        {
          salt: symbol,
          steadyFrom: hashes.length,
          sets: [first + symbol, (state + ep + 3 * eo) & 511, 256 * k + class1, votes],
          refine: [first + symbol, hash(5, ep | (k << 2), agrees | (otherState << 2), kind)],
        },
        this.#reader.next,
      );
      symbol = symbol * 2 + decision;
    }
    return symbol - (1 << width);
  }

  #contexts(f: WordFlagFacts, unit: Unit, oldOperation: number): number[] {
    const { k, prefix, operation, misses, p, o, e, s, low, width } = unit;
    const { units, kind, sure, predicted, w1, w2 } = f;
    const ko = k | (operation << 3);
    const kp = hash(k, prefix);
    return [
      kp,
      hash(1, ko, p),
      hash(2, kp, predicted),
      hash(3, ko | (misses << 20), p),
      hash(4, k, p, misses | (kind << 8)),
      hash(5, k, p, p < 32 ? this.renamedTo(p) : 0),
      hash(6, ko, p, e),
      hash(7, kp, w1),
      hash(8, kp, hash(w1, w2)),
      hash(9, ko, p | (o << 9), sure),
      hash(10, kp, s, p),
      hash(11, kp, units.operationOf(f.q1), p),
      hash(12, k | (kind << 4), sure, misses),
      hash(13, k | (misses << 4), p, unitOf(this.lastChange, low, width)),
      hash(14, kp, unit.last),
      hash(15, ko, p, units.resultOf(w1)),
      hash(16, k, oldOperation, misses),
      hash(17, ko, prefix & 63, p),
    ];
  }
}
