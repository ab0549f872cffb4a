import { isThumbWide } from './arm.ts';
import type { Bytes } from './bytes.ts';
import type { Section } from './image.ts';

export const ARM_PAGE = 4096;
/** Bytes before a place that are looked at to tell whether an instruction begins there. */
const LOOK_BACK = 128;

/** A section of Arm code, by addresses. */
export class ArmCode {
  readonly old: Bytes;
  /** First address, and first after the last. */
  readonly begin: number;
  readonly end: number;
  readonly isPlt: boolean;
  /** Old offset of address 0. */
  readonly #shift: number;

  /** `base` is address minus offset. */
  constructor(old: Bytes, section: Section, base: number) {
    this.old = old;
    this.begin = section.offset + base;
    this.end = this.begin + section.bytes;
    this.isPlt = section.role === 'arm-plt';
    this.#shift = -base;
  }

  offset(place: number): number {
    return place + this.#shift;
  }

  /** True if `bytes` bytes from `place` are of the section. */
  has(place: number, bytes: number): boolean {
    return place >= this.begin && place + bytes <= this.end;
  }

  u16(place: number): number {
    return this.old.u16(this.offset(place));
  }

  u32(place: number): number {
    return this.old.u32(this.offset(place));
  }

  /** True if the page's words are Thumb code: of Arm code most have the condition "always". */
  isThumb(page: number): boolean {
    if (this.isPlt) return false;
    const from = (Math.max(page, this.begin) + 3) & ~3;
    return isThumbCode(this.old, this.offset(from), Math.min(page + ARM_PAGE, this.end) - from);
  }

  /** True if a Thumb instruction begins at `place`, told from the halfwords before. */
  isThumbStart(place: number): boolean {
    const least = Math.max(place - LOOK_BACK, this.begin);
    return isThumbStart(place, least, (at) => this.u16(at));
  }
}

/** True if the `bytes` bytes of words from `offset` look like Thumb code. */
export function isThumbCode(old: Bytes, offset: number, bytes: number): boolean {
  let words = 0;
  let always = 0;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    words++;
    if (old.u8(offset + at + 3) >> 4 === 14) always++;
  }
  return always * 2 < words;
}

/** After a halfword that begins no 32-bit instruction, one begins in any case. */
export function isThumbStart(
  place: number,
  least: number,
  half: (place: number) => number,
): boolean {
  let first = place;
  while (first - least >= 2 && isThumbWide(half(first - 2))) first -= 2;
  return (place - first) % 4 === 0;
}
