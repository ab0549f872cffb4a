// The contexts of a block's differences, each as in the tables of CODING.md.

import type { MixerShape } from './mixer.ts';
import type { X64Field } from './x64-code.ts';
import { withReplaced, x64FlagContexts, x64ValueContexts } from './x64-contexts.ts';
import type { X64Phase } from './x64-phase.ts';
import { hash } from './word.ts';

export const CHUNKS: MixerShape = {
  contexts: 12,
  tableBits: 16,
  sets: [4, 32, 64],
  finals: 4,
  refine: 1024,
  limit: 120,
};

export const FLAGS: MixerShape = {
  contexts: 21,
  tableBits: 19,
  sets: [512, 1024, 256, 64],
  finals: 8,
  refine: 1024,
  limit: 60,
};

export const VALUES: MixerShape = {
  contexts: 21,
  tableBits: 19,
  sets: [512, 1024, 64],
  finals: 1,
  refine: 1024,
  limit: 60,
};

/** For machines of 4-byte instructions. */
export const WORDY_FLAGS: MixerShape = { ...FLAGS, tableBits: 18 };
export const WORDY_VALUES: MixerShape = { ...VALUES, tableBits: 18 };

export interface ChunkFacts {
  readonly h: number;
  readonly since: number;
  readonly section: number;
  readonly kinds: number;
  readonly worst: number;
  readonly fields: number;
  readonly danger: number;
  readonly gap1: number;
  readonly gap2: number;
  readonly depth: number;
  readonly rest: number;
}

export function chunkContexts(c: ChunkFacts): number[] {
  const { h, since, section, kinds, worst, danger } = c;
  return [
    hash(1, h & 0xff),
    hash(2, h & 0xffff, kinds !== 0 ? 1 : 0),
    hash(3, since, h & 3, section),
    hash(4, kinds, h & 3, worst),
    hash(5, since, kinds),
    hash(6, c.gap1, c.gap2, since),
    hash(7, worst, section, h & 1),
    hash(8, c.depth, c.rest, h & 3),
    hash(9, worst, since, c.fields),
    hash(10, danger, h & 1),
    hash(11, danger, since, kinds),
    hash(12, danger, h & 7, section),
  ];
}

/** What is known before a byte of a block is coded. */
export interface ByteFacts {
  readonly section: number;
  readonly entry: number;
  readonly predicted: number;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
  readonly q1: number;
  readonly q2: number;
  readonly kind: number;
  readonly nextKind: number;
  readonly c1: number;
  readonly c2: number;
  readonly gapClass: number;
  readonly lastMiss: number;
  readonly sure: number;
  readonly alternative: number;
  readonly edge1: number;
  readonly edge2: number;
  readonly operation: number;
  readonly h: number;
  readonly difference1: number;
  readonly difference2: number;
  readonly gap1: number;
  /** The difference that makes a field's target one seen before, 256 for none. */
  readonly guess: number;
  /** Of x86-64 code. */
  readonly phase: X64Phase | undefined;
  readonly field: X64Field | undefined;
  readonly kindLast: number;
  readonly pairLast: number;
  readonly entryLast: number;
}

export function flagContexts(f: ByteFacts): number[] {
  const { predicted: p, p1, p2, p3, q1, q2, kind: k, h, gapClass, sure, entry: m, section } = f;
  const op = f.operation;
  const contexts = [
    hash(1, k, h & 0xff),
    hash(2, gapClass, h & 15, k),
    hash(3, p, p1, k),
    hash(4, p1, p2, p3 | (f.lastMiss << 8)),
    hash(5, f.lastMiss, f.difference1, k),
    hash(6, f.gap1, gapClass),
    hash(7, p, k, f.lastMiss),
    hash(8, p1, p2, p | (f.nextKind << 8)),
    hash(9, f.pairLast, k, p),
    hash(10, h & 0xffff, k & 7),
    hash(11, section * 64 + m, h & 7, f.entryLast),
    hash(12, sure, k, h & 7),
    hash(13, p | (q1 << 8) | (q2 << 16), k, m),
    hash(14, f.edge1, f.edge2, k !== 0 ? 1 : h & 1),
    hash(15, op, k, h & 1),
    hash(16, op, p, m),
    hash(17, f.c1 | (f.c2 << 8), p, k),
    hash(18, section, gapClass, sure),
    hash(19, f.entryLast, section, m | ((h << 8) & 0x300)),
    hash(20, sure, f.kindLast, h & 3),
    hash(21, sure | (f.alternative !== 0 ? 128 : 0), k, h & 15),
  ];
  return f.phase ? withReplaced(contexts, x64FlagContexts(f, f.phase, f.field)) : contexts;
}

export function valueContexts(f: ByteFacts): number[] {
  const { predicted: p, p1, kind: k, h, gapClass, sure, entry: m, section, lastMiss } = f;
  const { difference1: d1, difference2: d2, operation: op } = f;
  const contexts = [
    hash(1, k),
    hash(2, d1, Math.min(gapClass, 16)),
    hash(3, d1, d2),
    hash(4, lastMiss, k),
    hash(5, p, k),
    hash(6, p, p1),
    hash(7, f.pairLast),
    hash(8, f.kindLast),
    hash(9, d2, k),
    hash(10, p | (p1 << 8), f.p2),
    hash(11, section * 64 + m),
    hash(12, f.entryLast, m),
    hash(13, op, k),
    hash(14, p, f.c1 | (f.c2 << 8)),
    hash(15, f.q1 | (f.q2 << 8), p),
    hash(16, section, d1),
    hash(17, op, p),
    hash(18, sure, f.kindLast),
    hash(19, gapClass, lastMiss),
    hash(20, m, k | ((h << 8) & 0xf00)),
    hash(21, f.alternative, k !== 0 ? sure : h & 7),
  ];
  return f.phase ? withReplaced(contexts, x64ValueContexts(f, f.phase, f.field)) : contexts;
}
