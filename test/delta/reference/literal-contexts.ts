// The contexts of literals byte by byte, each as in the tables of CODING.md.

import type { Choice, MixerShape } from './mixer.ts';
import { NO_BYTE } from './old-view.ts';
import type { Match } from './recent-places.ts';
import type { X64Field } from './x64-code.ts';
import { withReplaced, x64LiteralContexts } from './x64-contexts.ts';
import type { X64Phase } from './x64-phase.ts';
import { hash, u32 } from './word.ts';

export const LITERALS: MixerShape = {
  contexts: 18,
  tableBits: 19,
  sets: [2048, 256, 768, 256],
  finals: 1,
  refine: 1024,
  limit: 127,
};

/** For machines of 4-byte instructions. */
export const WORDY_LITERALS: MixerShape = { ...LITERALS, tableBits: 18 };

/** What is known before a literal is coded. Expected bytes of a field are those of its target. */
export interface LiteralFacts {
  readonly n: number;
  /** The bytes before: index 1 is the last one. */
  readonly c: readonly number[];
  /** Old bytes that go on after the block before and lead to the next one, NO_BYTE if none. */
  readonly a: number;
  readonly u: number;
  readonly afterMisses: number;
  readonly untilMisses: number;
  /** The old byte after `a`. */
  readonly nextOld: number;
  readonly isWordy: boolean;
  readonly alignment: number;
  /** 1 + the highest byte of the old word that `a` is in; 0 if there is none. */
  readonly top: number;
  /** The highest byte of the last new word. */
  readonly lastTop: number;
  readonly match: Match;
  /** The byte expected by the match, or by a guess at the field's target; NO_BYTE if none. */
  readonly expected: number;
  readonly isGuess: boolean;
  /** Of x86-64 code. */
  readonly phase: X64Phase | undefined;
  readonly field: X64Field | undefined;
}

/** What the byte is in its instruction or word. */
function roleOf(f: LiteralFacts): number {
  return f.phase?.step ?? f.alignment;
}

export function literalContexts(f: LiteralFacts): number[] {
  const { a, u, alignment: al, phase } = f;
  const [, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0] = f.c;
  const role = roleOf(f);
  const c12 = c1 | (c2 << 8);
  const c123 = c12 | (c3 << 16);
  const c1234 = u32(c123 | (c4 << 24));
  const tops = f.top | (f.lastTop << 9);
  const contexts = [
    hash(1, 0, al),
    hash(2, c1, role),
    hash(3, c12, phase ? role : 0),
    hash(4, c123),
    hash(5, c1234),
    hash(6, c1234, c5 | (c6 << 8)),
    hash(9, c2, c3),
    hash(10, a, role),
    hash(11, u, f.untilMisses & 7),
    hash(13, a | (u << 9)),
    hash(14, a, c1),
    hash(15, c4 | (al << 8), c1),
    hash(17, c4 | (c3 << 8), al << 1),
    hash(18, a | (f.nextOld << 9), c1),
    hash(19, operation(f), al),
    f.isWordy ? hash(20, tops, c1 | (al << 8)) : hash(20, c12, c4),
  ];
  return phase ? withReplaced(contexts, x64LiteralContexts(phase, f.field)) : contexts;
}

/** What the byte may be a part of. */
function operation(f: LiteralFacts): number {
  const [, c1 = 0, c2 = 0, c3 = 0, c4 = 0] = f.c;
  if (f.isWordy) return c4 | (f.top << 8);
  if (c1 === 0xe8 || c1 === 0xe9) return 256 + ((f.n + 4) & 15);
  return c2 === 0xe8 || c2 === 0xe9 ? 512 + c1 : (c1 << 10) | c3;
}

/** What an expected byte says of the next bit: 0 nothing, 1 it is 0, 2 it is 1. */
function expects(byte: number, symbol: number, bit: number): number {
  if (byte >= NO_BYTE) return 0;
  return (byte | 256) >> (bit + 1) === symbol ? 1 + ((byte >> bit) & 1) : 0;
}

function expectations(f: LiteralFacts, symbol: number, bit: number): [number, number, number] {
  return [expects(f.expected, symbol, bit), expects(f.a, symbol, bit), expects(f.u, symbol, bit)];
}

/** Contexts that the symbol's bits so far are not mixed into. */
export function steadyContexts(f: LiteralFacts, symbol: number, bit: number): number[] {
  const [m, a, u] = expectations(f, symbol, bit);
  return [
    hash(7, m, matchClass(f), m !== 0 ? (f.c[1] ?? 0) : 0),
    hash(12, m | (a << 2) | (u << 4), (f.afterMisses & 15) | ((f.untilMisses & 15) << 4)),
  ];
}

function matchClass(f: LiteralFacts): number {
  if (f.field && f.isGuess) return 128 + f.field.byte + 4 * f.field.branch;
  return Math.min(f.match.length, 15) | ((f.match.misses & 7) << 4);
}

export function literalSets(f: LiteralFacts, symbol: number, bit: number): Choice {
  const [m, a, u] = expectations(f, symbol, bit);
  const role = roleOf(f);
  const length = m !== 0 ? Math.min(7, 1 + Math.floor(f.match.length / 5)) : 0;
  return {
    sets: [
      symbol + 256 * length,
      m | (a << 2) | (u << 4),
      f.phase ? 256 + role * 8 + bit : (f.alignment * 256 + symbol) % 768,
      a | (u << 2) | ((f.afterMisses & 3) << 4) | ((f.untilMisses & 3) << 6),
    ],
    refine: [symbol | (Math.min(role, 3) << 8), hash(5, f.c[1] ?? 0, symbol)],
  };
}
