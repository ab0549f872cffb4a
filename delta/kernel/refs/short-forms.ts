// Short pc-relative fields: they mostly lead to a place in their own function, which moves with them,
// so they are no references; but where a block ends in between, the distance changes.

import {
  isShortBranch,
  isShortJump,
  shortBranchDistance,
  shortJumpDistance,
  withShortBranchDistance,
  withShortJumpDistance,
} from './rv64-short';

/** How a field is coded. */
export const enum Form {
  NONE = 0,
  /** x86-64: the 8 bits of Jcc or JCXZ, and of JMP; the place is the field's, not the opcode's. */
  X64_JUMP_IF = 1,
  X64_JUMP = 2,
  /** Thumb, 16 bits (ARMv7-A ARM, A8.8): B<c> T1, B T2, CBZ and CBNZ, LDR (literal) T1. */
  THUMB_BRANCH_IF = 3,
  THUMB_BRANCH = 4,
  THUMB_COMPARE = 5,
  THUMB_LOAD = 6,
  /** Thumb, 32 bits, the second halfword above the first: LDR (literal) T2, B<c>.W T3. */
  THUMB_LOAD_WIDE = 7,
  THUMB_BRANCH_WIDE = 8,
  /** Arm: LDR (literal) A1, VLDR (literal). */
  ARM_LOAD = 9,
  ARM_LOAD_VECTOR = 10,
  /** RISC-V: C.BEQZ and C.BNEZ, C.J. */
  RV_BRANCH = 11,
  RV_JUMP = 12,
}

export function x64Form(opcode: u32): Form {
  if (opcode === 0xeb) return Form.X64_JUMP;
  return (opcode & 0xf0) === 0x70 || opcode === 0xe3 ? Form.X64_JUMP_IF : Form.NONE;
}

export function armForm(word: u32): Form {
  if (word >> 28 === 15) return Form.NONE;
  if ((word & 0x0f7f0000) === 0x051f0000) return Form.ARM_LOAD;
  return (word & 0x0f3f0e00) === 0x0d1f0a00 ? Form.ARM_LOAD_VECTOR : Form.NONE;
}

export function rv64Form(half: u32): Form {
  if (isShortJump(half)) return Form.RV_JUMP;
  return isShortBranch(half) ? Form.RV_BRANCH : Form.NONE;
}

/** Of the instruction whose first halfword is the lower half of `word`. */
export function thumbForm(word: u32): Form {
  const half = word & 0xffff;
  if ((half & 0xf000) === 0xd000) {
    return (half & 0x0f00) < 0x0e00 ? Form.THUMB_BRANCH_IF : Form.NONE;
  }
  if ((half & 0xf800) === 0xe000) return Form.THUMB_BRANCH;
  if ((half & 0xf500) === 0xb100) return Form.THUMB_COMPARE;
  if ((half & 0xf800) === 0x4800) return Form.THUMB_LOAD;
  if ((half & 0xff7f) === 0xf85f) return Form.THUMB_LOAD_WIDE;
  const isBranch = (half & 0xf800) === 0xf000 && (half & 0x0380) !== 0x0380;
  return isBranch && ((word >> 16) & 0xd000) === 0x8000 ? Form.THUMB_BRANCH_WIDE : Form.NONE;
}

/** Bytes of the field, or of the instruction that holds it. */
export function formBytes(form: Form): u32 {
  if (form <= Form.X64_JUMP) return 1;
  if (form >= Form.RV_BRANCH) return 2;
  return form <= Form.THUMB_LOAD ? 2 : 4;
}

/** Forms whose predictions are right about as often: 0 to 3. */
export function formGroup(form: Form): u32 {
  if (form >= Form.RV_BRANCH) return form === Form.RV_JUMP ? 1 : 0;
  if (form === Form.X64_JUMP || form === Form.THUMB_BRANCH) return 1;
  if (form === Form.THUMB_COMPARE) return 2;
  return isLoad(form) ? 3 : 0;
}

function isLoad(form: Form): bool {
  if (form === Form.THUMB_LOAD || form === Form.THUMB_LOAD_WIDE) return true;
  return form === Form.ARM_LOAD || form === Form.ARM_LOAD_VECTOR;
}

/** What the distance of a field at address `place` counts from. */
export function formPc(form: Form, place: u32): u32 {
  if (form <= Form.X64_JUMP) return place + 1;
  if (form >= Form.RV_BRANCH) return place;
  if (form >= Form.ARM_LOAD) return place + 8;
  return isLoad(form) ? (place + 4) & ~3 : place + 4;
}

/** The distance in bytes. */
export function distanceOf(form: Form, word: u32): i32 {
  switch (form) {
    case Form.THUMB_BRANCH_IF:
      return ((<i32>(word << 24)) >> 24) * 2;
    case Form.THUMB_BRANCH:
      return (<i32>(word << 21)) >> 20;
    case Form.THUMB_COMPARE:
      return ((word >> 2) & 0x3e) | ((word >> 3) & 0x40);
    case Form.THUMB_LOAD:
      return (word & 0xff) * 4;
    case Form.THUMB_LOAD_WIDE:
      return signed((word >> 16) & 0xfff, word & 0x80);
    case Form.THUMB_BRANCH_WIDE:
      return wideDistance(word);
    case Form.ARM_LOAD:
      return signed(word & 0xfff, word & 0x00800000);
    case Form.ARM_LOAD_VECTOR:
      return signed((word & 0xff) * 4, word & 0x00800000);
    case Form.RV_BRANCH:
      return shortBranchDistance(word);
    case Form.RV_JUMP:
      return shortJumpDistance(word);
    default:
      return (<i32>(word << 24)) >> 24;
  }
}

function signed(size: u32, isUp: u32): i32 {
  return isUp !== 0 ? size : -size;
}

function wideDistance(word: u32): i32 {
  const second = word >> 16;
  const high =
    (((word >> 10) & 1) << 20) | (((second >> 11) & 1) << 19) | (((second >> 13) & 1) << 18);
  return (<i32>((high | ((word & 0x3f) << 12) | ((second & 0x7ff) << 1)) << 11)) >> 11;
}

/** True if the form can hold the distance, up to its lowest bits. */
export function holdsDistance(form: Form, distance: i32): bool {
  switch (form) {
    case Form.THUMB_BRANCH_IF:
    case Form.RV_BRANCH:
      return distance >= -256 && distance < 256;
    case Form.THUMB_BRANCH:
    case Form.RV_JUMP:
      return distance >= -2048 && distance < 2048;
    case Form.THUMB_COMPARE:
      return distance >= 0 && distance < 128;
    case Form.THUMB_LOAD:
      return distance >= 0 && distance < 1024;
    case Form.THUMB_BRANCH_WIDE:
      return distance >= -(1 << 20) && distance < 1 << 20;
    case Form.THUMB_LOAD_WIDE:
    case Form.ARM_LOAD:
      return distance > -4096 && distance < 4096;
    case Form.ARM_LOAD_VECTOR:
      return distance > -1024 && distance < 1024;
    default:
      return distance >= -128 && distance < 128;
  }
}

/** `word` with another distance, which the form can hold. */
export function withDistance(form: Form, word: u32, distance: i32): u32 {
  const size = <u32>abs(distance);
  const isUp = distance >= 0;
  switch (form) {
    case Form.THUMB_BRANCH_IF:
      return (word & ~0xff) | ((distance >> 1) & 0xff);
    case Form.THUMB_BRANCH:
      return (word & ~0x7ff) | ((distance >> 1) & 0x7ff);
    case Form.THUMB_COMPARE:
      return (word & ~0x2f8) | ((distance & 0x3e) << 2) | ((distance & 0x40) << 3);
    case Form.THUMB_LOAD:
      return (word & ~0xff) | (distance >> 2);
    case Form.THUMB_LOAD_WIDE:
      return (word & ~0x0fff0080) | (size << 16) | (isUp ? 0x80 : 0);
    case Form.THUMB_BRANCH_WIDE:
      return withWideDistance(word, distance);
    case Form.ARM_LOAD:
      return (word & ~0x00800fff) | size | (isUp ? 0x00800000 : 0);
    case Form.ARM_LOAD_VECTOR:
      return (word & ~0x008000ff) | (size >> 2) | (isUp ? 0x00800000 : 0);
    case Form.RV_BRANCH:
      return withShortBranchDistance(word, distance);
    case Form.RV_JUMP:
      return withShortJumpDistance(word, distance);
    default:
      return distance & 0xff;
  }
}

function withWideDistance(word: u32, distance: u32): u32 {
  const first = (word & 0xfbc0) | (((distance >> 20) & 1) << 10) | ((distance >> 12) & 0x3f);
  const j = (((distance >> 18) & 1) << 13) | (((distance >> 19) & 1) << 11);
  return first | ((((word >> 16) & 0xd000) | j | ((distance >> 1) & 0x7ff)) << 16);
}
