// Instructions of A64, Arm and Thumb as units of bits, the operation first (CODING.md, "Units").

import { u32 } from './word.ts';

export type Layout = 'a64' | 'a32' | 'thumb';

/** The units of an instruction, from the highest bits down. */
export interface UnitShape {
  readonly widths: readonly number[];
  /** Bits below the operation. */
  readonly operationLow: number;
  /** Number of the first partial symbol of the second unit. */
  readonly secondSymbol: number;
}

const A64: UnitShape = { widths: [8, 3, 5, 6, 5, 5], operationLow: 21, secondSymbol: 256 };
const A32: UnitShape = { widths: [4, 8, 4, 4, 4, 4, 4], operationLow: 20, secondSymbol: 16 };
const WIDE: UnitShape = { widths: [5, 3, 4, 4, 4, 4, 4, 4], operationLow: 20, secondSymbol: 32 };
const NARROW: UnitShape = { widths: [5, 3, 2, 3, 3], operationLow: 24, secondSymbol: 256 + 32 };

/** No expected unit. */
export const NO_UNIT = 256;

/** Instructions as words of units, and back. */
export class Units {
  readonly layout: Layout;
  /** Instructions begin at multiples of it. */
  readonly step: number;
  /** The eight bits from here on tell operations apart best. */
  readonly classShift: number;

  constructor(layout: Layout) {
    this.layout = layout;
    this.step = layout === 'thumb' ? 2 : 4;
    this.classShift = layout === 'a32' ? 20 : 24;
  }

  /** The units of an instruction whose first one is known. */
  shape(first: number): UnitShape {
    if (this.layout === 'a64') return A64;
    if (this.layout === 'a32') return A32;
    return first < 29 ? NARROW : WIDE;
  }

  /** How many bits the first unit has. */
  get firstWidth(): number {
    return this.shape(0).widths[0] ?? 0;
  }

  #isNarrow(word: number): boolean {
    return this.layout === 'thumb' && word >>> 27 < 29;
  }

  bytesOf(word: number): number {
    return this.#isNarrow(word) ? 2 : 4;
  }

  operationOf(word: number): number {
    if (this.#isNarrow(word)) return word >>> 24;
    return word >>> (this.layout === 'a64' ? 21 : 20);
  }

  classOf(word: number): number {
    return (word >>> this.classShift) & 255;
  }

  /** The field that is the result's register in most instructions. */
  resultOf(word: number): number {
    if (this.layout === 'a64') return word & 31;
    if (this.layout === 'a32') return (word >>> 12) & 15;
    return this.#isNarrow(word) ? (word >>> 16) & 7 : (word >>> 8) & 15;
  }

  /** The field that is the first operand's register in most instructions. */
  operandOf(word: number): number {
    if (this.layout === 'a64') return (word >>> 5) & 31;
    return this.#isNarrow(word) ? (word >>> 19) & 7 : (word >>> 16) & 15;
  }

  /** The instruction that the four bytes `raw` at `place` begin with: calls and ADRP have the target. */
  of(raw: number, place: number): number {
    if (this.layout === 'a64') return movedA64(raw, place >>> 2, place >>> 12);
    if (this.layout === 'a32') return movedA32(raw, place >>> 2);
    const word = swapHalves(raw);
    return this.#isNarrow(word) ? u32(word & 0xffff0000) : movedThumb(word, place >>> 1);
  }

  /** The bytes of a word at `place`, the first lowest. */
  raw(word: number, place: number): number {
    if (this.layout === 'a64') return movedA64(word, -(place >>> 2), -(place >>> 12));
    if (this.layout === 'a32') return movedA32(word, -(place >>> 2));
    return swapHalves(this.#isNarrow(word) ? word : movedThumb(word, -(place >>> 1)));
  }
}

function swapHalves(word: number): number {
  return u32((word << 16) | (word >>> 16));
}

/** BL and ADRP. */
function movedA64(word: number, words: number, pages: number): number {
  if (word >>> 26 === 0x25) return u32((word & 0xfc000000) | ((word + words) & 0x3ffffff));
  if (u32(word & 0x9f000000) !== 0x90000000) return word;
  const value = ((((word >>> 5) & 0x7ffff) << 2) | ((word >>> 29) & 3)) + pages;
  return u32((word & 0x9f00001f) | ((value & 3) << 29) | (((value >>> 2) & 0x7ffff) << 5));
}

/** BL. */
function movedA32(word: number, words: number): number {
  if ((word & 0x0f000000) !== 0x0b000000) return word;
  return u32((word & 0xff000000) | ((word + words) & 0xffffff));
}

/** BL. */
function movedThumb(word: number, halves: number): number {
  if (u32(word & 0xf800d000) !== 0xf000d000) return word;
  const sign = (word >>> 26) & 1;
  const i1 = ((word >>> 13) ^ sign ^ 1) & 1;
  const i2 = ((word >>> 11) ^ sign ^ 1) & 1;
  const low = (((word >>> 16) & 0x3ff) << 11) | (word & 0x7ff);
  const value = ((sign << 23) | (i1 << 22) | (i2 << 21) | low) + halves;
  const s = (value >>> 23) & 1;
  const j1 = ((value >>> 22) ^ s ^ 1) & 1;
  const j2 = ((value >>> 21) ^ s ^ 1) & 1;
  const high = (s << 26) | (((value >>> 11) & 0x3ff) << 16);
  return u32(0xf000d000 | high | (j1 << 13) | (j2 << 11) | (value & 0x7ff));
}

/** What an expected unit says of the next bit: 0 nothing, 1 it is 0, 2 it is 1. */
export function expectedBit(unit: number, symbol: number, bit: number, width: number): number {
  if (unit >= NO_UNIT) return 0;
  return (unit | (1 << width)) >>> (bit + 1) === symbol ? 1 + ((unit >>> bit) & 1) : 0;
}

/** `width` bits of a word from bit `low` on. */
export function unitOf(word: number, low: number, width: number): number {
  return (word >>> low) & (2 ** width - 1);
}
