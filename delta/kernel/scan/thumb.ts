// How references of Thumb code are found: BL, BLX and B.W by their opcode, if the target is code; and
// literal pool words that a load brings to an ADD with the pc within 80 bytes. Pool words are no
// instructions. Where an instruction begins is known from the halfwords before it: after one that
// begins no 32-bit instruction, one begins in any case.

import { isCode } from '../elf/image';
import {
  isThumbBranch,
  isThumbExchange,
  isThumbStart,
  isThumbWide,
  thumbBranchTarget,
} from '../refs/arm';
import { Kind } from '../refs/kinds';
import { emitPoolWord, isOpen, isPoolWord, setAdder } from './arm-pool';
import { addressAt, begin, end, image, left, offsetAt } from './arm-region';
import { emit } from './emit';

/** Bytes after a load in which its value is added to the pc. */
const THUMB_REACH: usize = 80;
/** Bytes before a page that are looked at to tell whether an instruction begins there. */
export const STEP_BYTES: usize = 128;

/** Notes the pool words that loads in [from, to), aligned, refer to. */
export function findThumbLoads(from: usize, to: usize): void {
  let starts = isThumbStart(from, from - min(from - begin, STEP_BYTES));
  for (let at = from; at < to && left(at) >= 4; at += 2) {
    const half = <u32>load<u16>(at);
    if (starts) findLoad(at, half);
    starts = !(starts && isThumbWide(half));
  }
}

/** LDR (literal), of 16 or 32 bits. */
function findLoad(at: usize, half: u32): void {
  const pc = (addressAt(at) + 4) & ~3;
  if ((half & 0xf800) === 0x4800) {
    noteAdder(pc + (half & 0xff) * 4, at + 2, at + THUMB_REACH, (half >> 8) & 7);
  } else if ((half & 0xff7f) === 0xf85f) {
    const second = <u32>load<u16>(at, 2);
    const distance = second & 0xfff;
    const literal = half & 0x80 ? pc + distance : pc - distance;
    if (second >> 12 !== 15) noteAdder(literal, at + 4, at + THUMB_REACH, second >> 12);
  }
}

/** Looks in [from, to) for the instruction that adds `register`, loaded from `literal`, to the pc. */
function noteAdder(literal: u32, from: usize, to: usize, register: u32): void {
  if (!isOpen(literal)) return;
  const adder = register < 8 ? 0x4478 | register : 0x44f8 | (register - 8);
  const stop = min(to, end);
  for (let at = from; at + 2 <= stop; at += 2) {
    if (load<u16>(at) !== adder) continue;
    setAdder(literal, addressAt(at), true);
    return;
  }
}

/** Emits the references whose fields begin in [from, to); `page`, aligned, is not after `from`. */
export function scanThumbHalves(page: usize, from: usize, to: usize): void {
  let starts = isThumbStart(page, page - min(page - begin, STEP_BYTES));
  let free = from;
  for (let at = page; at < to && left(at) >= 4; at += 2) {
    const half = <u32>load<u16>(at);
    if (at >= free) {
      if (isPoolWord(at)) {
        emitPoolWord(at);
        free = at + 4;
      } else if (starts && scanBranch(at)) free = at + 4;
    }
    starts = !(starts && isThumbWide(half));
  }
}

function scanBranch(at: usize): bool {
  const word = load<u32>(at);
  if (!isThumbBranch(word) || isPoolWord(at + 2)) return false;
  const target = thumbBranchTarget(word, addressAt(at));
  if (!isCode(image, target)) return false;
  emit(offsetAt(at), Kind.T32_B25, <u32>isThumbExchange(word), target, 0);
  return true;
}
