// Short pc-relative fields of a block that lead out of it: what they hold in the old file, and what
// they would hold if both ends went where the map takes them.

import { addressOf, Image, isCode, Machine, NO_PLACE } from '../elf/image';
import { Block } from '../map/block';
import { mapAddress } from '../map/map';
import { alloc } from '../memory';
import { isThumbStart } from '../refs/arm';
import { isStart } from '../refs/rv64';
import * as forms from '../refs/short-forms';
import { Form } from '../refs/short-forms';
import { isThumbAt, openArmMode } from '../scan/arm-mode';
import { oldByte } from '../scan/pages';

/** A field whose mapped value is not the old one: 16 bytes. They ascend and do not overlap. */
@unmanaged
export class Short {
  /** Of its first byte in the block. */
  position: u32;
  /** The field's bytes, the first lowest. */
  old: u32;
  mapped: u32;
  /** 1, 2 or 4 bytes, perhaps beyond the window. */
  width: u8;
  /** 0 to 3: forms whose mapped values are right about as often. */
  group: u8;
}

export const SHORT_BYTES: usize = 16;

/** Most bytes that one call looks at. */
export const MAX_WINDOW: u32 = 64;
/** Bytes before and after the window that matter, to `occupied` too. */
export const MARGIN: u32 = 4;
/** Old bytes before the window that tell where Thumb and RISC-V instructions begin. */
const LOOK_BACK: u32 = 32;

/** What the last call found. */
export let shorts: usize = 0;
export let shortCount: u32 = 0;

/**
 * For the caller to fill: 1 for each byte of the block from MARGIN before the window to MARGIN after it
 * that a reference occupies, else 0.
 */
export let occupied: usize = 0;

/** Old bytes from LOOK_BACK before the window to MARGIN after it. */
let bytes: usize = 0;

/** Allocates the module's memory; once a session. */
export function openShorts(): void {
  shorts = alloc(<usize>MAX_WINDOW * SHORT_BYTES);
  occupied = alloc(MAX_WINDOW + 2 * MARGIN);
  bytes = alloc(LOOK_BACK + MAX_WINDOW + MARGIN);
  openArmMode();
}

/**
 * Finds the fields that begin at positions [from, to) of the block, at most MAX_WINDOW; `image` is the
 * executable that the block's old bytes are of, `fresh` the new one.
 */
export function findShorts(block: Block, image: Image, fresh: Image, from: u32, to: u32): void {
  shortCount = 0;
  const reach = reachOf(image);
  if (to > block.length || from >= to || to - from > MAX_WINDOW) return;
  // A field in the block's middle leads to a place inside it.
  const tail = block.length - min(reach, block.length);
  if (from >= reach && to <= tail) return;
  const place = addressOf(image, block.old + from);
  const freshPlace = addressOf(fresh, block.fresh + from);
  if (place === NO_PLACE || freshPlace === NO_PLACE || !isCode(image, place)) return;
  loadBytes(block, from, to);
  let free = from;
  for (let at = from; at < to; at++) {
    if (at < free || (at >= reach && at < tail)) continue;
    const index = at - from;
    const form = formAt(image, block.old + at, place + index, at, index);
    const width = forms.formBytes(form);
    if (form === Form.NONE || width > block.length - at || isOccupied(index, width)) continue;
    const word = wordAt(index, width);
    const target = forms.formPc(form, place + index) + forms.distanceOf(form, word);
    if (target - (place - from) < block.length) continue;
    free = at + width;
    const distance = <i32>(mapAddress(target) - forms.formPc(form, freshPlace + index));
    if (!forms.holdsDistance(form, distance)) continue;
    const mapped = forms.withDistance(form, word, distance);
    if (mapped !== word) addShort(at, word, mapped, width, forms.formGroup(form));
  }
}

/** How far such fields lead. */
export function reachOf(image: Image): u32 {
  if (image.machine === Machine.X64) return 132;
  if (image.machine === Machine.RV64) return 2048;
  return image.machine === Machine.A32 ? 4200 : 0;
}

/** Bytes outside of the block are 0, but those before the window are the file's. */
function loadBytes(block: Block, from: u32, to: u32): void {
  const start = block.old + from;
  const last = block.old + min(to + MARGIN, block.length);
  memory.fill(bytes, 0, LOOK_BACK + MAX_WINDOW + MARGIN);
  for (let at = start - min(LOOK_BACK, start); at < last; at++) {
    store<u8>(byteAt(at - start), <u8>oldByte(at));
  }
}

/** Of byte `index` of the window, which may be one before it. */
@inline
function byteAt(index: u32): usize {
  return bytes + <usize>(LOOK_BACK + index);
}

function wordAt(index: u32, width: u32): u32 {
  const word = load<u32>(byteAt(index));
  return width === 4 ? word : word & ((1 << (8 * width)) - 1);
}

/** The form of the field at byte `index` of the window: old offset, address and position in the block. */
function formAt(image: Image, offset: u32, place: u32, position: u32, index: u32): Form {
  const at = byteAt(index);
  if (image.machine === Machine.X64) {
    if (position === 0 || isOccupied(index - 1, 1)) return Form.NONE;
    // After 0F it is the opcode of a long jump.
    if (position > 1 && load<u8>(at - 2) === 0x0f) return Form.NONE;
    return forms.x64Form(load<u8>(at - 1));
  }
  if ((place & 1) !== 0) return Form.NONE;
  if (image.machine === Machine.RV64) {
    return isStart(at, bytes) ? forms.rv64Form(load<u16>(at)) : Form.NONE;
  }
  if (isThumbAt(image, offset, place)) {
    return isThumbStart(at, bytes) ? forms.thumbForm(load<u32>(at)) : Form.NONE;
  }
  return (place & 3) === 0 ? forms.armForm(load<u32>(at)) : Form.NONE;
}

function isOccupied(index: u32, width: u32): bool {
  let any: u32 = 0;
  for (let i: u32 = 0; i < width; i++) any |= load<u8>(occupied + <usize>(MARGIN + index + i));
  return any !== 0;
}

function addShort(position: u32, old: u32, mapped: u32, width: u32, group: u32): void {
  const short = changetype<Short>(shorts + <usize>shortCount * SHORT_BYTES);
  short.position = position;
  short.old = old;
  short.mapped = mapped;
  short.width = <u8>width;
  short.group = <u8>group;
  shortCount++;
}
