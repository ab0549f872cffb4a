// The contexts of instructions without a block, each as in the tables of CODING.md.

import type { Choice, MixerShape } from './mixer.ts';
import type { Beside } from './word-literals.ts';
import type { WordExpectation } from './word-match.ts';
import { expectedBit, type Units, unitOf } from './word-units.ts';
import { hash } from './word.ts';

export const WORD_LITERALS: MixerShape = {
  contexts: 20,
  tableBits: 19,
  sets: [512, 512, 2048, 256],
  finals: 1,
  refine: 1024,
  limit: 127,
};

export interface InstructionFacts {
  readonly units: Units;
  /** The last four instructions, the latest first. */
  readonly last: readonly number[];
  readonly beside: Beside;
  readonly match: WordExpectation;
}

export interface UnitFacts {
  readonly k: number;
  /** Bits not known before the unit, and those below it. */
  readonly known: number;
  readonly low: number;
  readonly width: number;
  /** The units before. */
  readonly prefix: number;
  /** Number of the unit's first partial symbol. */
  readonly first: number;
  /** The operation, as far as it is known. */
  readonly operation: number;
  /** The last instruction of this operation; 0 before that is known. */
  readonly last: number;
  /** Units of the instructions expected after the block before, before the next, and by the match. */
  readonly a: number;
  readonly u: number;
  readonly m: number;
  /** Of these three: 0 none, 1 right so far, 2 wrong. */
  readonly states: readonly number[];
}

export function unitContexts(f: InstructionFacts, unit: UnitFacts): number[] {
  const { units, beside } = f;
  const { k, prefix, operation, last, low, width, a, u } = unit;
  const [w1 = 0, w2 = 0, w3 = 0, w4 = 0] = f.last;
  const [afterState = 0, untilState = 0] = unit.states;
  const op1 = units.operationOf(w1);
  const op12 = op1 | (units.operationOf(w2) << 12);
  const rd1 = units.resultOf(w1);
  const tops = (w1 >>> 24) | ((w2 >>> 24) << 8) | ((w3 >>> 24) << 16);
  const ko = k | (operation << 3);
  const kp = hash(k, prefix);
  return [
    kp,
    hash(1, kp, op1),
    hash(2, kp, op12),
    hash(3, kp, w1),
    hash(4, kp, hash(w1, w2)),
    hash(5, kp, hash(w1, w2, w3)),
    hash(6, ko, rd1 | (units.resultOf(w2) << 5)),
    hash(7, ko, prefix & 63),
    hash(8, kp, last),
    hash(9, ko, rd1 | (units.operandOf(w1) << 5)),
    hash(10, k | (afterState << 3), a, beside.afterMisses & 7),
    hash(11, k | (untilState << 3), u, beside.untilMisses & 7),
    hash(12, ko, a, u),
    hash(13, kp, tops, w4 >>> 24),
    hash(14, kp, op12, units.operationOf(w3)),
    hash(15, ko, units.operationOf(beside.next), a),
    hash(16, ko, unitOf(last, low, width), a),
    hash(17, ko),
  ];
}

/** What the expected units say of the next bit, and the two contexts of that, without salt. */
export interface Votes {
  readonly match: number;
  readonly all: number;
  readonly contexts: readonly [number, number];
}

export function unitVotes(
  f: InstructionFacts,
  unit: UnitFacts,
  symbol: number,
  bit: number,
): Votes {
  const { width, k } = unit;
  const [afterState = 0, untilState = 0, matchState = 0] = unit.states;
  const { length, misses } = f.match;
  const em = expectedBit(unit.m, symbol, bit, width);
  const ea = expectedBit(unit.a, symbol, bit, width);
  const eu = expectedBit(unit.u, symbol, bit, width);
  const all = em | (ea << 2) | (eu << 4);
  const matchClass = length > 0 ? Math.min(length, 15) | ((misses & 7) << 4) : 0;
  const besideMisses = (f.beside.afterMisses & 15) | ((f.beside.untilMisses & 15) << 4);
  return {
    match: em,
    all,
    contexts: [
      hash(18, em | (matchState << 2), matchClass, em !== 0 ? k : 99),
      hash(19, all | (afterState << 6) | (untilState << 8), besideMisses, k),
    ],
  };
}

export function unitSets(
  f: InstructionFacts,
  unit: UnitFacts,
  votes: Votes,
  symbol: number,
): Choice {
  const { k, prefix, known, first } = unit;
  const { units, match } = f;
  const [afterState = 0, untilState = 0, matchState = 0] = unit.states;
  const matchClass = votes.match !== 0 ? 1 + Math.floor(match.length / 3) : 0;
  const kind =
    k < 2 ? units.classOf(f.last[0] ?? 0) : (prefix >>> (units.classShift - known)) & 255;
  return {
    sets: [
      first + symbol,
      votes.all * 8 + Math.min(7, matchClass),
      256 * k + kind,
      k * 27 + afterState + 3 * untilState + 9 * matchState,
    ],
    refine: [first + symbol, hash(5, prefix, symbol)],
  };
}
