// How references of Arm code are found: B and BL by their opcode, if the target is code; the entries of
// a PLT; literal pool words that a load brings to an ADD (or load) with the pc within 40 instructions;
// in a program at fixed addresses, any word that is one of them.

import { isCode, NO_PLACE, placeOf } from '../elf/image';
import { armBranchTarget, isArmBranch, isPltEntry, pltTarget } from '../refs/arm';
import { Kind } from '../refs/kinds';
import { emitPoolWord, isOpen, isPoolWord, setAdder } from './arm-pool';
import { addressAt, begin, end, image, left, offsetAt } from './arm-region';
import { emit } from './emit';

const WORD: usize = 4;
/** Bytes after a load in which its value is added to the pc. */
export const ARM_REACH: usize = 160;
/** Images from here on are not relocated; lower values would be mere numbers. */
const LEAST_FIXED: u64 = 0x10000;
/** Nothing refers to the image's first bytes, its headers. */
const HEADER_BYTES: u32 = 0x1000;
const PLT_ENTRY: usize = 12;

/** Notes the pool words that loads in [from, to), aligned, refer to. */
export function findArmLoads(from: usize, to: usize): void {
  for (let at = from; at < to && left(at) >= WORD; at += WORD) {
    const word = load<u32>(at);
    if ((word & 0x0f7f0000) !== 0x051f0000) continue;
    const distance = word & 0xfff;
    const literal = addressAt(at) + 8 + (word & 0x00800000 ? distance : -distance);
    if (!isOpen(literal)) continue;
    const adder = findAdder(at + WORD, (word >> 12) & 15);
    if (adder !== 0) setAdder(literal, addressAt(adder), false);
  }
}

/** The first instruction from `at` on that adds `register` to the pc, or 0. */
function findAdder(at: usize, register: u32): usize {
  const stop = min(end, at + ARM_REACH - WORD);
  for (; at + WORD <= stop; at += WORD) {
    const word = load<u32>(at);
    const opcode = word & 0x0fff0000;
    if ((opcode === 0x008f0000 || opcode === 0x079f0000) && (word & 15) === register) return at;
  }
  return 0;
}

/** Emits the references whose fields begin in [from, to), aligned. */
export function scanArmWords(from: usize, to: usize, isPlt: bool): void {
  let at = isPlt ? afterEntry(from) : from;
  while (at < to && left(at) >= WORD) {
    if (isPlt && left(at) >= PLT_ENTRY && isPltEntry(at)) {
      emit(offsetAt(at), Kind.A32_PLT, 0, pltTarget(at, addressAt(at)), 0);
      at += PLT_ENTRY;
      continue;
    }
    if (isPoolWord(at)) emitPoolWord(at);
    else scanWord(at, load<u32>(at));
    at += WORD;
  }
}

/** `from`, or the end of the entry that it lies in. */
function afterEntry(from: usize): usize {
  for (let back: usize = PLT_ENTRY - WORD; back > 0; back -= WORD) {
    if (from - begin >= back && left(from - back) >= PLT_ENTRY && isPltEntry(from - back)) {
      return from - back + PLT_ENTRY;
    }
  }
  return from;
}

function scanWord(at: usize, word: u32): void {
  if (isArmBranch(word)) {
    const target = armBranchTarget(word, addressAt(at));
    if (isCode(image, target)) emit(offsetAt(at), Kind.A32_B24, 0, target, 0);
  } else if (image.lowest >= LEAST_FIXED && word - <u32>image.lowest >= HEADER_BYTES) {
    const target = placeOf(image, word);
    if (target !== NO_PLACE) emit(offsetAt(at), Kind.ABS32, 0, target, 0);
  }
}
