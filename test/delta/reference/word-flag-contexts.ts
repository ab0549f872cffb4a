// The contexts of the flag of a block's instruction, each as in the tables of CODING.md.

import type { Choice, MixerShape } from './mixer.ts';
import type { WordFields } from './word-fields.ts';
import type { Units } from './word-units.ts';
import { hash, u32 } from './word.ts';

export const WORD_FLAGS: MixerShape = {
  contexts: 20,
  tableBits: 16,
  sets: [256, 512, 256, 128],
  finals: 4,
  refine: 1024,
  limit: 100,
};

/** What is known before an instruction of a block is coded; instructions are units. */
export interface WordFlagFacts {
  readonly units: Units;
  readonly section: number;
  readonly predicted: number;
  /** What the runner-up of the reference's targets gives. */
  readonly other: number;
  /** Predicted before and after. */
  readonly p1: number;
  readonly q1: number;
  /** The last new ones. */
  readonly w1: number;
  readonly w2: number;
  /** Of the reference, 0 if there is none. */
  readonly kind: number;
  readonly sure: number;
  readonly hasOther: number;
  readonly operation: number;
  readonly past: number;
  /** What the same prediction was the last time; 0 unknown. */
  readonly before: number;
  readonly seenState: number;
  readonly wasWrong: number;
  readonly gapClass: number;
  readonly gap1: number;
  readonly gap2: number;
  readonly edge1: number;
  readonly edge2: number;
  readonly h: number;
  readonly fields: WordFields;
}

export function wordFlagContexts(f: WordFlagFacts): number[] {
  const { units, predicted: p, p1, q1, w1, kind, sure, operation: op, h, gapClass, fields } = f;
  const rd = units.resultOf(p);
  const rn = units.operandOf(p);
  const lastOperation = units.operationOf(fields.lastPredicted);
  return [
    hash(1, kind, h & 0xff),
    hash(2, gapClass, h & 3, kind),
    hash(3, op, kind, h & 1),
    hash(4, p, h & 1),
    hash(5, p, p1),
    hash(6, op, units.operationOf(p1), units.operationOf(q1)),
    hash(7, sure, kind, h & 7),
    hash(8, sure | (f.hasOther << 7), kind, h & 3),
    hash(9, f.seenState, op, h & 1),
    hash(10, renameState(fields, rd), renameState(fields, rn), p >>> units.classShift),
    hash(11, f.edge1, f.edge2, h & 3),
    hash(12, u32(w1 ^ p1), op),
    hash(13, f.gap1, f.gap2, gapClass),
    hash(14, f.section, gapClass, sure),
    hash(15, f.past, op),
    hash(16, f.past & 15, kind, h & 15),
    hash(17, w1, p),
    hash(18, q1, p),
    hash(19, lastOperation, op, gapClass),
    hash(20, rd | (rn << 5), fields.lastChange, lastOperation),
  ];
}

/** 0: not renamed lately, 1: it was itself, 2: it was another one. */
function renameState(fields: WordFields, register: number): number {
  const to = fields.renamedTo(register);
  return to === 0 ? 0 : to - 1 === register ? 1 : 2;
}

export function wordFlagChoice(f: WordFlagFacts): Choice {
  const { kind, h, gapClass } = f;
  return {
    sets: [
      (kind << 3) | (h & 7),
      (f.sure * 8 + (h & 7)) & 511,
      f.units.classOf(f.predicted),
      gapClass * 4 + f.hasOther * 2 + f.wasWrong,
    ],
    final: (h & 1) + (kind !== 0 ? 2 : 0),
    refine: [(kind << 5) | (f.seenState << 3) | (h & 7), hash(3, f.section, gapClass)],
  };
}
