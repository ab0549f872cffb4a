import { isThumbCode } from './arm-code.ts';
import type { Bytes } from './bytes.ts';
import type { Image } from './image.ts';

const PAGE = 4096;

/** Arm or Thumb, for short fields: by the page of addresses that a place is in, as far as its section. */
export class ArmModes {
  readonly #old: Bytes;

  constructor(old: Bytes) {
    this.#old = old;
  }

  /** True if the byte at `offset` of the image's code, at address `place`, is of Thumb code. */
  isThumb(image: Image, offset: number, place: number): boolean {
    const section = image.sectionAt(offset);
    if (section?.role !== 'code') return false;
    const inPage = place % PAGE;
    const from = offset - Math.min(inPage, offset - section.offset);
    const end = Math.min(offset + PAGE - inPage, section.offset + section.bytes);
    const skip = (offset - from - place) & 3;
    return isThumbCode(this.#old, from + skip, end - from - skip);
  }
}
