// The contexts of literals, each as in the tables of CODING.md.

import type { Choice, MixerShape } from './mixer.ts';
import { NO_BYTE } from './old-view.ts';
import type { Match } from './recent-places.ts';
import { hash, u32 } from './word.ts';

export const LITERALS: MixerShape = {
  contexts: 18,
  tableBits: 19,
  sets: [2048, 256, 768, 256],
  finals: 1,
  refine: 1024,
  limit: 127,
};

/** What is known before a literal is coded. */
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
}

export function literalContexts(f: LiteralFacts): number[] {
  const { a, u, alignment: al } = f;
  const [, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0] = f.c;
  const c12 = c1 | (c2 << 8);
  const c123 = c12 | (c3 << 16);
  const c1234 = u32(c123 | (c4 << 24));
  return [
    hash(1, 0, al),
    hash(2, c1, al),
    hash(3, c1, c2),
    hash(4, c123),
    hash(5, c1234),
    hash(6, c1234, c5 | (c6 << 8)),
    hash(9, c2, c3),
    hash(10, a, al),
    hash(11, u, f.untilMisses & 7),
    hash(13, a | (u << 9)),
    hash(14, a, c1),
    hash(15, c4 | (al << 8), c1),
    hash(17, c4 | (c3 << 8), al << 1),
    hash(18, a | (f.nextOld << 9), c1),
    hash(19, operation(f), al),
    f.isWordy ? hash(20, f.top | (f.lastTop << 9), c1 | (al << 8)) : hash(20, c12, c4),
  ];
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
  return [
    expects(f.match.byte, symbol, bit),
    expects(f.a, symbol, bit),
    expects(f.u, symbol, bit),
  ];
}

/** Contexts that the symbol's bits so far are not mixed into. */
export function steadyContexts(f: LiteralFacts, symbol: number, bit: number): number[] {
  const [m, a, u] = expectations(f, symbol, bit);
  const { length, misses } = f.match;
  const matchClass = Math.min(length, 15) | ((misses & 7) << 4);
  return [
    hash(7, m, matchClass, m !== 0 ? (f.c[1] ?? 0) : 0),
    hash(12, m | (a << 2) | (u << 4), (f.afterMisses & 15) | ((f.untilMisses & 15) << 4)),
  ];
}

export function literalSets(f: LiteralFacts, symbol: number, bit: number): Choice {
  const [m, a, u] = expectations(f, symbol, bit);
  const matchClass = m !== 0 ? Math.min(7, 1 + Math.floor(f.match.length / 5)) : 0;
  return {
    sets: [
      symbol + 256 * matchClass,
      m | (a << 2) | (u << 4),
      (f.alignment * 256 + symbol) % 768,
      a | (u << 2) | ((f.afterMisses & 3) << 4) | ((f.untilMisses & 3) << 6),
    ],
    refine: [symbol | (f.alignment << 8), hash(5, f.c[1] ?? 0, symbol)],
  };
}
