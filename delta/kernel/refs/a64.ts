// The AArch64 instructions whose fields are references (Arm ARM, C4.1, C6.2).

import { Kind } from './kinds';

/** What {@link lo12Scale} gives for other instructions. */
export const NO_SCALE: u32 = 255;

/** The kind of branch that an instruction is, or NONE. */
export function branchKind(word: u32): u32 {
  if ((word & 0x7c000000) === 0x14000000) return Kind.A64_B26;
  const isConditional = (word & 0xff000010) === 0x54000000;
  if (isConditional || (word & 0x7e000000) === 0x34000000) return Kind.A64_B19;
  return (word & 0x7e000000) === 0x36000000 ? Kind.A64_B14 : Kind.NONE;
}

/** Where the branch `word` of this kind leads from address `place`. */
export function branchTarget(kind: u32, word: u32, place: u32): u32 {
  if (kind === Kind.A64_B26) return place + (((<i32>(word << 6)) >> 6) << 2);
  if (kind === Kind.A64_B19) return place + (((<i32>(word << 8)) >> 13) << 2);
  return place + (((<i32>(word << 13)) >> 18) << 2);
}

/** The branch, so that it leads `distance` bytes on. */
export function withDistance(kind: u32, word: u32, distance: u32): u32 {
  const words = distance >> 2;
  if (kind === Kind.A64_B26) return (word & 0xfc000000) | (words & 0x3ffffff);
  if (kind === Kind.A64_B19) return (word & 0xff00001f) | ((words & 0x7ffff) << 5);
  return (word & 0xfff8001f) | ((words & 0x3fff) << 5);
}

export function isAdrp(word: u32): bool {
  return (word & 0x9f000000) === 0x90000000;
}

/** The page that the ADRP `word` at address `place` gives. */
export function adrpPage(word: u32, place: u32): u32 {
  const pages = (((word >> 5) & 0x7ffff) << 2) | ((word >> 29) & 3);
  return (place & ~0xfff) + (pages << 12);
}

/** The ADRP, so that at `place` it gives the page of `target`. */
export function withPage(word: u32, place: u32, target: u32): u32 {
  const pages = <u32>((<i32>((target & ~0xfff) - (place & ~0xfff))) >> 12);
  return (word & 0x9f00001f) | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5);
}

/** The shift of the 12-bit offset if it is an ADD (64-bit) or a load or store with one, or NO_SCALE. */
export function lo12Scale(word: u32): u32 {
  if ((word & 0xffc00000) === 0x91000000) return 0;
  if ((word & 0x3b000000) !== 0x39000000) return NO_SCALE;
  const size = word >> 30;
  // 128 bits: a vector register, size 0, opc 1x.
  return size === 0 && (word & 0x04800000) === 0x04800000 ? 4 : size;
}

/** The offset in bytes; from 4096 on it is none of a page. */
export function lo12(word: u32, scale: u32): u32 {
  return ((word >> 10) & 0xfff) << scale;
}

export function withLo12(word: u32, scale: u32, target: u32): u32 {
  return (word & ~(0xfff << 10)) | (((target & 0xfff) >> scale) << 10);
}
