// Short pc-relative fields (CODING.md, "Short fields"; ARMv7-A ARM, A8.8).

import { shortDistance, type ShortForm, withShortDistance } from './rv64.ts';
import { u32 } from './word.ts';

export type Form =
  | 'none'
  | 'x64-jump-if'
  | 'x64-jump'
  | 'thumb-branch-if'
  | 'thumb-branch'
  | 'thumb-compare'
  | 'thumb-load'
  | 'thumb-load-wide'
  | 'thumb-branch-wide'
  | 'arm-load'
  | 'arm-load-vector'
  | ShortForm;

export function x64Form(opcode: number): Form {
  if (opcode === 0xeb) return 'x64-jump';
  return (opcode & 0xf0) === 0x70 || opcode === 0xe3 ? 'x64-jump-if' : 'none';
}

export function armForm(word: number): Form {
  if (word >>> 28 === 15) return 'none';
  if ((word & 0x0f7f0000) === 0x051f0000) return 'arm-load';
  return (word & 0x0f3f0e00) === 0x0d1f0a00 ? 'arm-load-vector' : 'none';
}

/** Of the instruction whose first halfword is the lower half of `word`. */
export function thumbForm(word: number): Form {
  const half = word & 0xffff;
  if ((half & 0xf000) === 0xd000) return (half & 0x0f00) < 0x0e00 ? 'thumb-branch-if' : 'none';
  if ((half & 0xf800) === 0xe000) return 'thumb-branch';
  if ((half & 0xf500) === 0xb100) return 'thumb-compare';
  if ((half & 0xf800) === 0x4800) return 'thumb-load';
  if ((half & 0xff7f) === 0xf85f) return 'thumb-load-wide';
  const isBranch = (half & 0xf800) === 0xf000 && (half & 0x0380) !== 0x0380;
  return isBranch && ((word >>> 16) & 0xd000) === 0x8000 ? 'thumb-branch-wide' : 'none';
}

/** Bytes of the field, or of the instruction that holds it. */
export function formBytes(form: Form): number {
  if (form === 'x64-jump' || form === 'x64-jump-if') return 1;
  return form.startsWith('arm') || form.endsWith('wide') ? 4 : 2;
}

function isLoad(form: Form): boolean {
  return form.includes('load');
}

/** Forms whose predictions are right about as often. */
export function formGroup(form: Form): number {
  if (form === 'x64-jump' || form === 'thumb-branch' || form === 'rv-jump') return 1;
  if (form === 'thumb-compare') return 2;
  return isLoad(form) ? 3 : 0;
}

/** What the distance of a field at address `place` counts from. */
export function formPc(form: Form, place: number): number {
  if (form.startsWith('rv')) return place;
  if (form.startsWith('x64')) return place + 1;
  if (form.startsWith('arm')) return place + 8;
  return isLoad(form) ? u32((place + 4) & ~3) : place + 4;
}

export function distanceOf(form: Form, word: number): number {
  const up = (size: number, bit: number) => ((word & bit) !== 0 ? size : -size);
  switch (form) {
    case 'none':
    case 'x64-jump':
    case 'x64-jump-if':
      return (word << 24) >> 24;
    case 'thumb-branch-if':
      return ((word << 24) >> 24) * 2;
    case 'thumb-branch':
      return (word << 21) >> 20;
    case 'thumb-compare':
      return ((word >> 2) & 0x3e) | ((word >> 3) & 0x40);
    case 'thumb-load':
      return (word & 0xff) * 4;
    case 'thumb-load-wide':
      return up((word >>> 16) & 0xfff, 0x80);
    case 'thumb-branch-wide': {
      const second = word >>> 16;
      const high = (bit(word, 10) << 20) | (bit(second, 11) << 19) | (bit(second, 13) << 18);
      return ((high | ((word & 0x3f) << 12) | ((second & 0x7ff) << 1)) << 11) >> 11;
    }
    case 'arm-load':
      return up(word & 0xfff, 0x00800000);
    case 'arm-load-vector':
      return up((word & 0xff) * 4, 0x00800000);
    case 'rv-branch':
    case 'rv-jump':
      return shortDistance(form, word);
  }
}

function bit(word: number, index: number): number {
  return (word >>> index) & 1;
}

/** True if the form can hold the distance, up to its lowest bits. */
export function holdsDistance(form: Form, distance: number): boolean {
  switch (form) {
    case 'none':
    case 'x64-jump':
    case 'x64-jump-if':
      return distance >= -128 && distance < 128;
    case 'thumb-branch-if':
    case 'rv-branch':
      return distance >= -256 && distance < 256;
    case 'thumb-branch':
    case 'rv-jump':
      return distance >= -2048 && distance < 2048;
    case 'thumb-compare':
      return distance >= 0 && distance < 128;
    case 'thumb-load':
      return distance >= 0 && distance < 1024;
    case 'thumb-branch-wide':
      return distance >= -(1 << 20) && distance < 1 << 20;
    case 'thumb-load-wide':
    case 'arm-load':
      return Math.abs(distance) < 4096;
    case 'arm-load-vector':
      return Math.abs(distance) < 1024;
  }
}

/** `word` with another distance, which the form can hold. */
export function withDistance(form: Form, word: number, distance: number): number {
  const size = Math.abs(distance);
  const isUp = distance >= 0;
  switch (form) {
    case 'none':
    case 'x64-jump':
    case 'x64-jump-if':
      return distance & 0xff;
    case 'thumb-branch-if':
      return u32((word & ~0xff) | ((distance >> 1) & 0xff));
    case 'thumb-branch':
      return u32((word & ~0x7ff) | ((distance >> 1) & 0x7ff));
    case 'thumb-compare':
      return u32((word & ~0x2f8) | ((distance & 0x3e) << 2) | ((distance & 0x40) << 3));
    case 'thumb-load':
      return u32((word & ~0xff) | (distance >> 2));
    case 'thumb-load-wide':
      return u32((word & ~0x0fff0080) | (size << 16) | (isUp ? 0x80 : 0));
    case 'thumb-branch-wide': {
      const first = (word & 0xfbc0) | (bit(distance, 20) << 10) | ((distance >> 12) & 0x3f);
      const j = (bit(distance, 18) << 13) | (bit(distance, 19) << 11);
      const second = ((word >>> 16) & 0xd000) | j | ((distance >> 1) & 0x7ff);
      return u32(first | (second << 16));
    }
    case 'arm-load':
      return u32((word & ~0x00800fff) | size | (isUp ? 0x00800000 : 0));
    case 'arm-load-vector':
      return u32((word & ~0x008000ff) | (size >> 2) | (isUp ? 0x00800000 : 0));
    case 'rv-branch':
    case 'rv-jump':
      return withShortDistance(form, word, distance);
  }
}
