// Arm and Thumb instructions that are references (ARMv7-A ARM, A6.3, A8.8).

import type { Bytes } from './bytes.ts';
import { u32 } from './word.ts';

export function isArmBranch(word: number): boolean {
  return (word & 0x0e000000) === 0x0a000000 && word >>> 28 !== 15;
}

export function armBranchTarget(word: number, place: number): number {
  return u32(place + 8 + 4 * ((word << 8) >> 8));
}

export function withArmTarget(word: number, place: number, target: number): number {
  return u32((word & 0xff000000) | (((target - place - 8) >> 2) & 0xffffff));
}

/** True if an instruction that begins with the halfword has 32 bits. */
export function isThumbWide(half: number): boolean {
  return half >= 0xe800;
}

/** BL, BLX or B.W; the second halfword is the upper half of `word`. */
export function isThumbBranch(word: number): boolean {
  if ((word & 0xf800) !== 0xf000) return false;
  return ((word >>> 16) & 0x9000) === 0x9000 || isThumbExchange(word);
}

/** BLX, of those. */
export function isThumbExchange(word: number): boolean {
  return u32(word & 0xd0010000) === 0xc0000000;
}

function thumbBase(place: number, isExchange: boolean): number {
  return isExchange ? (place + 4) & ~3 : place + 4;
}

export function thumbBranchTarget(word: number, place: number): number {
  const sign = (word >>> 10) & 1;
  const i1 = ((word >>> 29) ^ sign ^ 1) & 1;
  const i2 = ((word >>> 27) ^ sign ^ 1) & 1;
  const low = ((word & 0x3ff) << 12) | (((word >>> 16) & 0x7ff) << 1);
  const distance = (sign << 24) | (i1 << 23) | (i2 << 22) | low;
  return u32(thumbBase(place, isThumbExchange(word)) + ((distance << 7) >> 7));
}

export function withThumbTarget(
  word: number,
  place: number,
  target: number,
  isExchange: boolean,
): number {
  const distance = target - thumbBase(place, isExchange);
  const sign = (distance >> 24) & 1;
  const j1 = ((distance >> 23) ^ sign ^ 1) & 1;
  const j2 = ((distance >> 22) ^ sign ^ 1) & 1;
  const first = (word & 0xf800) | (sign << 10) | ((distance >> 12) & 0x3ff);
  const second = ((word >>> 16) & 0xd000) | (j1 << 13) | (j2 << 11) | ((distance >> 1) & 0x7ff);
  return u32(first | (second << 16));
}

/** add ip, pc, #n << 20; add ip, ip, #n << 12; ldr pc, [ip, #n]! */
const PLT: readonly (readonly [number, number])[] = [
  [0xe28fc600, 0xff],
  [0xe28cca00, 0xff],
  [0xe5bcf000, 0xfff],
];

export function isPltEntry(bytes: Bytes, at: number): boolean {
  return PLT.every(([opcode, mask], i) => u32(bytes.u32(at + 4 * i) & ~mask) === opcode);
}

/** The slot that the PLT entry at `place` jumps through. */
export function pltTarget(bytes: Bytes, at: number, place: number): number {
  const high = (bytes.u32(at) & 0xff) << 20;
  const middle = (bytes.u32(at + 4) & 0xff) << 12;
  return u32(place + 8 + high + middle + (bytes.u32(at + 8) & 0xfff));
}

export function putPltEntry(bytes: Bytes, at: number, place: number, target: number): void {
  const distance = u32(target - place - 8);
  [distance >>> 20, distance >>> 12, distance].forEach((part, i) => {
    const [opcode, mask] = PLT[i] ?? [0, 0];
    bytes.setU32(at + 4 * i, u32(opcode | (part & mask)));
  });
}
