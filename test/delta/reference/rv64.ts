// RISC-V instructions that are references (The RISC-V Instruction Set Manual, Volume I: "RV32I Base
// Integer Instruction Set", 'Immediate Encoding Variants', and the "C" extension).

import { Kind } from './kinds.ts';
import { u32 } from './word.ts';

/** Where an immediate's bits are, as in the manual's figures: from its bit, how many, at which bit. */
type Layout = readonly (readonly [from: number, count: number, at: number])[];

const J: Layout = [
  [20, 1, 31],
  [1, 10, 21],
  [11, 1, 20],
  [12, 8, 12],
];
const B: Layout = [
  [12, 1, 31],
  [5, 6, 25],
  [1, 4, 8],
  [11, 1, 7],
];
const U: Layout = [[12, 20, 12]];
const I: Layout = [[0, 12, 20]];
const S: Layout = [
  [5, 7, 25],
  [0, 5, 7],
];
const CJ: Layout = [
  [11, 1, 12],
  [4, 1, 11],
  [8, 2, 9],
  [10, 1, 8],
  [6, 1, 7],
  [7, 1, 6],
  [1, 3, 3],
  [5, 1, 2],
];
const CB: Layout = [
  [8, 1, 12],
  [3, 2, 10],
  [6, 2, 5],
  [1, 2, 3],
  [5, 1, 2],
];

function mask(count: number): number {
  return 2 ** count - 1;
}

/** The immediate, its highest bit the sign. */
function immediate(layout: Layout, word: number): number {
  let value = 0;
  let top = 0;
  for (const [from, count, at] of layout) {
    value |= ((word >>> at) & mask(count)) << from;
    top = Math.max(top, from + count);
  }
  return (value << (32 - top)) >> (32 - top);
}

function withImmediate(layout: Layout, word: number, value: number): number {
  let made = word;
  for (const [from, count, at] of layout) {
    made = (made & ~(mask(count) << at)) | (((value >>> from) & mask(count)) << at);
  }
  return u32(made);
}

const AUIPC = 0x17;
const JALR = 0x67;
const STORES: readonly number[] = [0x23, 0x27];
const LOADS: readonly number[] = [0x03, 0x07];
const ADDS: readonly number[] = [0x13, JALR];

function opcode(word: number): number {
  return word & 0x7f;
}

function function3(word: number): number {
  return (word >>> 12) & 7;
}

/** True if the instruction that begins so has 32 bits. */
export function isWide(half: number): boolean {
  return half % 4 === 3;
}

/** After a halfword that begins no 32-bit instruction, one begins in any case. */
export function isStart(place: number, least: number, half: (place: number) => number): boolean {
  let wide = 0;
  for (let at = place - 2; at >= least && isWide(half(at)); at -= 2) wide++;
  return wide % 2 === 0;
}

export function jumpKind(word: number): Kind | undefined {
  if (opcode(word) === 0x6f) return Kind.rvJump;
  const isCondition = ![2, 3].includes(function3(word));
  return opcode(word) === 0x63 && isCondition ? Kind.rvBranch : undefined;
}

export function jumpDistance(kind: Kind, word: number): number {
  return immediate(kind === Kind.rvJump ? J : B, word);
}

export function withJumpDistance(kind: Kind, word: number, distance: number): number {
  return withImmediate(kind === Kind.rvJump ? J : B, word, distance);
}

export function isAuipc(word: number): boolean {
  return opcode(word) === AUIPC;
}

export function isJalr(word: number): boolean {
  return opcode(word) === JALR;
}

export function destination(word: number): number {
  return (word >>> 7) & 31;
}

/** True if `low` adds 12 bits to what the AUIPC `high` gives. */
export function addsTo(high: number, low: number): boolean {
  if (((low >>> 15) & 31) !== destination(high)) return false;
  if (ADDS.includes(opcode(low))) return function3(low) === 0;
  return LOADS.includes(opcode(low)) || STORES.includes(opcode(low));
}

function lowLayout(low: number): Layout {
  return STORES.includes(opcode(low)) ? S : I;
}

/** How far from the AUIPC both lead. */
export function pairDistance(high: number, low: number): number {
  return immediate(U, high) + immediate(lowLayout(low), low);
}

/** The lower 12 bits have a sign: the upper ones make up for it. */
export function withHigh(high: number, distance: number): number {
  return withImmediate(U, high, u32(distance + 0x800));
}

export function withLow(low: number, distance: number): number {
  return withImmediate(lowLayout(low), low, u32(distance));
}

export type ShortForm = 'rv-branch' | 'rv-jump';

/** Of C.BEQZ and C.BNEZ, and of C.J. */
export function shortForm(half: number): ShortForm | undefined {
  if (half % 4 !== 1) return undefined;
  const what = half >>> 13;
  return what === 5 ? 'rv-jump' : what > 5 ? 'rv-branch' : undefined;
}

export function shortDistance(form: ShortForm, half: number): number {
  return immediate(form === 'rv-jump' ? CJ : CB, half);
}

export function withShortDistance(form: ShortForm, half: number, distance: number): number {
  return withImmediate(form === 'rv-jump' ? CJ : CB, half, distance);
}
