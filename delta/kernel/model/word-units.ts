// Instructions as fields, coded one after another from the highest bits down, so that the operation
// is known before its registers. AArch64 (Arm ARM C4.1): operation, variant, Rm or an immediate's top,
// the immediate's rest, Rn, Rd. Arm (ARMv7-A ARM A5.1): condition, operation, Rn, Rd, and the second
// operand in nibbles. Thumb (A6.1): 16 bits as operation and register fields, in the high half of a
// word; of 32 bits the first halfword is the high one.

/** How instructions are encoded at a place. */
export const enum Layout {
  /** No code, or of a machine without fields here. */
  NONE = 0,
  A64 = 1,
  A32 = 2,
  THUMB = 3,
}

/** Bits of each unit, a nibble each from the lowest. */
const A64_WIDTHS: u32 = 0x556538;
const A32_WIDTHS: u32 = 0x4444484;
const NARROW_WIDTHS: u32 = 0x33235;
const WIDE_WIDTHS: u32 = 0x44444435;

/** Most operations; most partial symbols of all units, narrow Thumb's from NARROW_FIRST on. */
export const OPERATIONS: u32 = 4096;
export const SYMBOLS: u32 = 512;
const NARROW_FIRST: u32 = 256;

let layout: Layout = Layout.NONE;
/** Instructions begin at multiples of it. */
export let step: u32 = 4;
/** The eight bits from here on tell operations apart best. */
export let classShift: u32 = 24;
let operationShift: u32 = 21;

// The instruction being coded, known after its first unit.
export let widths: u32 = 0;
/** Bits below its operation. */
export let operationLow: u32 = 0;
/** Bits that are not there. */
export let unitsEnd: u32 = 0;
/** What comes before the units' numbers of partial symbols from the second unit on. */
export let firstSymbol: u32 = 0;

/** What follows is of this layout, none but NONE. */
export function useLayout(next: Layout): void {
  layout = next;
  step = next === Layout.THUMB ? 2 : 4;
  classShift = next === Layout.A32 ? 20 : 24;
  operationShift = next === Layout.A64 ? 21 : 20;
}

/** Before the first unit of an instruction. */
@inline
export function openUnits(): void {
  widths = layout === Layout.A64 ? A64_WIDTHS : layout === Layout.A32 ? A32_WIDTHS : WIDE_WIDTHS;
  operationLow = operationShift;
  unitsEnd = 0;
  firstSymbol = 0;
}

/** The first unit is `found`. */
@inline
export function openRest(found: u32): void {
  if (layout !== Layout.THUMB || found >= 29) return;
  widths = NARROW_WIDTHS;
  operationLow = 24;
  unitsEnd = 16;
  firstSymbol = NARROW_FIRST;
}

/** Bytes of an instruction, as units. */
@inline
export function bytesOf(word: u32): u32 {
  return layout === Layout.THUMB && isNarrow(word) ? 2 : 4;
}

/** Thumb: an instruction of 16 bits. */
@inline
function isNarrow(word: u32): bool {
  return word >>> 27 < 29;
}

/** Below {@link OPERATIONS}. */
@inline
export function operationOf(word: u32): u32 {
  return word >>> (layout === Layout.THUMB && isNarrow(word) ? 24 : operationShift);
}

/** The field that is the result's register in most instructions. */
@inline
export function resultOf(word: u32): u32 {
  if (layout === Layout.A64) return word & 31;
  if (layout === Layout.A32) return (word >>> 12) & 15;
  return isNarrow(word) ? (word >>> 16) & 7 : (word >>> 8) & 15;
}

/** The field that is the first operand's register in most instructions. */
@inline
export function operandOf(word: u32): u32 {
  if (layout === Layout.A64) return (word >>> 5) & 31;
  if (layout === Layout.THUMB && isNarrow(word)) return (word >>> 19) & 7;
  return (word >>> 16) & 15;
}

/**
 * The instruction that the four bytes `raw` at `place` begin with, as units; calls and ADRP with the
 * target in place of the distance: the same call is the same word anywhere.
 */
export function toUnits(raw: u32, place: u32): u32 {
  if (layout === Layout.A64) return movedA64(raw, place >>> 2, place >>> 12);
  if (layout === Layout.A32) return movedA32(raw, place >>> 2);
  const word = rotl<u32>(raw, 16);
  return isNarrow(word) ? word & 0xffff0000 : movedThumb(word, place >>> 1);
}

/** The bytes of what {@link toUnits} makes of them at `place`. */
export function fromUnits(word: u32, place: u32): u32 {
  if (layout === Layout.A64) return movedA64(word, 0 - (place >>> 2), 0 - (place >>> 12));
  if (layout === Layout.A32) return movedA32(word, 0 - (place >>> 2));
  return rotl<u32>(isNarrow(word) ? word : movedThumb(word, 0 - (place >>> 1)), 16);
}

function movedA64(word: u32, words: u32, pages: u32): u32 {
  if (word >>> 26 === 0x25) return (word & 0xfc000000) | ((word + words) & 0x3ffffff);
  if ((word & 0x9f000000) !== 0x90000000) return word;
  const value = ((((word >>> 5) & 0x7ffff) << 2) | ((word >>> 29) & 3)) + pages;
  return (word & 0x9f00001f) | ((value & 3) << 29) | (((value >>> 2) & 0x7ffff) << 5);
}

/** BL. */
function movedA32(word: u32, words: u32): u32 {
  if ((word & 0x0f000000) !== 0x0b000000) return word;
  return (word & 0xff000000) | ((word + words) & 0xffffff);
}

/** BL; J1 and J2 stay inverted by the sign's complement (I1, I2 in A8.8.25). */
function movedThumb(word: u32, halves: u32): u32 {
  if ((word & 0xf800d000) !== 0xf000d000) return word;
  const sign = (word >>> 26) & 1;
  const i1 = ((word >>> 13) ^ sign ^ 1) & 1;
  const i2 = ((word >>> 11) ^ sign ^ 1) & 1;
  const low = (((word >>> 16) & 0x3ff) << 11) | (word & 0x7ff);
  const value = ((sign << 23) | (i1 << 22) | (i2 << 21) | low) + halves;
  const s = (value >>> 23) & 1;
  const j1 = ((value >>> 22) ^ s ^ 1) & 1;
  const j2 = ((value >>> 21) ^ s ^ 1) & 1;
  const high = (s << 26) | (((value >>> 11) & 0x3ff) << 16);
  return 0xf000d000 | high | (j1 << 13) | (j2 << 11) | (value & 0x7ff);
}
