import { isThumbStart } from './arm-code.ts';
import type { Block } from './block-map.ts';
import { type Image, Machine } from './image.ts';
import type { Pair } from './pair.ts';
import * as rv64 from './rv64.ts';
import * as forms from './short-forms.ts';
import { u32 } from './word.ts';

/** A field whose mapped value is not the old one. */
export interface Short {
  /** In the block. */
  readonly position: number;
  /** 1, 2 or 4 bytes. */
  readonly width: number;
  readonly old: number;
  readonly mapped: number;
  readonly group: number;
}

/** Bytes after the window that are read. */
const MARGIN = 4;
/** Old bytes before the window that tell where Thumb and RISC-V instructions begin. */
const LOOK_BACK = 32;

/** How far such fields lead. */
function reachOf(image: Image): number {
  if (image.machine === Machine.x64) return 132;
  if (image.machine === Machine.rv64) return 2048;
  return image.machine === Machine.a32 ? 4200 : 0;
}

/**
 * Those that begin at positions [from, to) of the block, at most 64; `taken` are the positions that
 * references have.
 */
export function findShorts(
  pair: Pair,
  block: Block,
  image: Image,
  from: number,
  to: number,
  taken: ReadonlySet<number>,
): Short[] {
  const reach = reachOf(image);
  const tail = block.length - Math.min(reach, block.length);
  if (from >= reach && to <= tail) return [];
  const place = image.addressOf(block.old + from);
  const freshPlace = pair.fresh.addressOf(block.fresh + from);
  if (place === undefined || freshPlace === undefined || !image.isCode(place)) return [];
  const view = new OldWindow(pair, block, image, from, to, taken);
  const shorts: Short[] = [];
  let free = from;
  for (let at = from; at < to; at++) {
    if (at < free || (at >= reach && at < tail)) continue;
    const form = view.formAt(at, place + (at - from));
    const width = forms.formBytes(form);
    if (form === 'none' || width > block.length - at || view.isTaken(at, width)) continue;
    const word = view.word(at, width);
    const target = u32(forms.formPc(form, place + (at - from)) + forms.distanceOf(form, word));
    if (u32(target - (place - from)) < block.length) continue;
    free = at + width;
    const mappedTarget = pair.map.address(target).address;
    const distance = (mappedTarget - forms.formPc(form, freshPlace + (at - from))) | 0;
    if (!forms.holdsDistance(form, distance)) continue;
    const mapped = forms.withDistance(form, word, distance);
    if (mapped === word) continue;
    shorts.push({ position: at, width, old: word, mapped, group: forms.formGroup(form) });
  }
  return shorts;
}

/** Old bytes by their position in the block; 0 where a search sees none. */
class OldWindow {
  readonly #pair: Pair;
  readonly #block: Block;
  readonly #image: Image;
  readonly #first: number;
  readonly #end: number;
  readonly #taken: ReadonlySet<number>;

  constructor(
    pair: Pair,
    block: Block,
    image: Image,
    from: number,
    to: number,
    taken: ReadonlySet<number>,
  ) {
    this.#pair = pair;
    this.#block = block;
    this.#image = image;
    this.#first = from - LOOK_BACK;
    this.#end = Math.min(to + MARGIN, block.length);
    this.#taken = taken;
  }

  byte(at: number): number {
    const offset = this.#block.old + at;
    if (at < this.#first || at >= this.#end || offset < 0) return 0;
    return this.#pair.old.u8(offset);
  }

  word(at: number, width: number): number {
    let word = 0;
    for (let i = 0; i < width; i++) word = u32(word | (this.byte(at + i) << (8 * i)));
    return word;
  }

  isTaken(at: number, width: number): boolean {
    return Array.from({ length: width }, (_, i) => at + i).some((one) => this.#taken.has(one));
  }

  formAt(at: number, place: number): forms.Form {
    if (this.#image.machine === Machine.x64) {
      if (at === 0 || this.isTaken(at - 1, 1)) return 'none';
      // After 0F it is the opcode of a long jump.
      if (at > 1 && this.byte(at - 2) === 0x0f) return 'none';
      return forms.x64Form(this.byte(at - 1));
    }
    if (place % 2 !== 0) return 'none';
    if (this.#image.machine === Machine.rv64) {
      const starts = rv64.isStart(at, this.#first, (one) => this.word(one, 2));
      return (starts ? rv64.shortForm(this.word(at, 2)) : undefined) ?? 'none';
    }
    const isThumb = this.#pair.armModes.isThumb(this.#image, this.#block.old + at, place);
    if (!isThumb) return place % 4 === 0 ? forms.armForm(this.word(at, 4)) : 'none';
    const isStart = isThumbStart(at, this.#first, (one) => this.word(one, 2));
    return isStart ? forms.thumbForm(this.word(at, 4)) : 'none';
  }
}
