// AArch64 instructions that are references (Arm ARM, C4.1, C6.2).

import { Kind } from './kinds.ts';
import { u32 } from './word.ts';

/** Fields of branches: the lowest bit, and how many bits. */
const BRANCHES = new Map<Kind, readonly [number, number]>([
  [Kind.a64Branch26, [0, 26]],
  [Kind.a64Branch19, [5, 19]],
  [Kind.a64Branch14, [5, 14]],
]);

export function branchKind(word: number): Kind | undefined {
  if (u32(word & 0x7c000000) === 0x14000000) return Kind.a64Branch26;
  const isConditional = u32(word & 0xff000010) === 0x54000000;
  if (isConditional || (word & 0x7e000000) === 0x34000000) return Kind.a64Branch19;
  return (word & 0x7e000000) === 0x36000000 ? Kind.a64Branch14 : undefined;
}

function branchField(kind: Kind): readonly [number, number] {
  const field = BRANCHES.get(kind);
  if (!field) throw new Error(`kind ${kind} is no branch`);
  return field;
}

export function branchTarget(kind: Kind, word: number, place: number): number {
  const [low, bits] = branchField(kind);
  const words = (word << (32 - low - bits)) >> (32 - bits);
  return u32(place + 4 * words);
}

export function withDistance(kind: Kind, word: number, distance: number): number {
  const [low, bits] = branchField(kind);
  const mask = 2 ** bits - 1;
  return u32((word & ~(mask << low)) | ((((distance | 0) >> 2) & mask) << low));
}

export function isPage(word: number): boolean {
  return u32(word & 0x9f000000) === 0x90000000;
}

/** The page that the ADRP at `place` gives. */
export function pageOf(word: number, place: number): number {
  const pages = (((word >>> 5) & 0x7ffff) << 2) | ((word >>> 29) & 3);
  return u32((place & ~0xfff) + (pages << 12));
}

export function withPage(word: number, place: number, target: number): number {
  const pages = ((target & ~0xfff) - (place & ~0xfff)) >> 12;
  return u32((word & 0x9f00001f) | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5));
}

/** The shift of the 12-bit offset of an ADD (64-bit), a load or a store; else undefined. */
export function low12Scale(word: number): number | undefined {
  if (u32(word & 0xffc00000) === 0x91000000) return 0;
  if ((word & 0x3b000000) !== 0x39000000) return undefined;
  const size = word >>> 30;
  return size === 0 && (word & 0x04800000) === 0x04800000 ? 4 : size;
}

export function low12(word: number, scale: number): number {
  return ((word >>> 10) & 0xfff) << scale;
}

export function withLow12(word: number, scale: number, target: number): number {
  return u32((word & ~(0xfff << 10)) | (((target & 0xfff) >> scale) << 10));
}
