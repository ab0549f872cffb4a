// Which registers hold a page's address while AArch64 code is scanned.

import { lo12, lo12Scale, NO_SCALE } from '../refs/a64';
import { Ref, REF_BYTES } from '../refs/kinds';
import { refs } from './emit';

/** Bytes that an ADRP's page is believed to last. */
export const REACH: u32 = 1024;

/** Of a page that no emitted reference stands for. */
export const NO_REF: u32 = 0xffffffff;

const REGISTERS: u32 = 32;
const STACK_POINTER: u32 = 31;

@unmanaged
class Register {
  page: u32;
  /** Where its ADRP is; only when `known`. */
  offset: u32;
  known: u32;
  /** The ADRP's reference while it waits for its target, or NO_REF. */
  waiting: u32;
}

const REGISTER_BYTES: usize = 16;
const registers: usize = memory.data(512);

@inline
function register(index: u32): Register {
  return changetype<Register>(registers + <usize>index * REGISTER_BYTES);
}

export function forgetPages(): void {
  memory.fill(registers, 0, <usize>REGISTERS * REGISTER_BYTES);
}

/** Register `index` is written by something else. */
@inline
export function forgetPage(index: u32): void {
  register(index).known = 0;
}

/** The ADRP at `offset`, whose reference is `ref`, puts `page` into register `index`. */
export function setPage(index: u32, page: u32, offset: u32, ref: u32): void {
  const r = register(index);
  r.page = page;
  r.offset = offset;
  r.known = 1;
  r.waiting = ref;
}

/** True if `word` at `offset` adds its 12 bits to a page: then `pairTarget` and `pairScale` are set. */
export function isPair(word: u32, offset: u32): bool {
  const r = register((word >> 5) & 31);
  if (r.known === 0 || offset - r.offset > REACH) return false;
  pairScale = lo12Scale(word);
  if (pairScale === NO_SCALE) return false;
  const low = lo12(word, pairScale);
  pairTarget = r.page + low;
  return low < 0x1000;
}

export let pairTarget: u32 = 0;
export let pairScale: u32 = 0;

/** The ADRP that `word` is paired with has its target, if `word` is the first. */
export function settleTarget(word: u32): void {
  const r = register((word >> 5) & 31);
  if (r.waiting === NO_REF) return;
  changetype<Ref>(refs + <usize>r.waiting * REF_BYTES).target = pairTarget;
  r.waiting = NO_REF;
}

/**
 * Forgets the registers that an instruction writes. Loads from the stack do not count: they stand for
 * the most part at a function's end, and the code after it is reached from before.
 */
export function forgetWritten(word: u32): void {
  const first = word & 31;
  const group = (word >> 25) & 15;
  if (group === 8 || group === 9 || group === 5 || group === 13) {
    if (!isConditionalCompare(word)) forgetPage(first);
    return;
  }
  if (((word >> 5) & 31) === STACK_POINTER) return;
  // One register, not a vector, and no store.
  if ((word & 0x3c000000) === 0x38000000 && (word & 0x00c00000) !== 0) forgetPage(first);
  if ((word & 0x3e400000) === 0x28400000) {
    forgetPage(first);
    forgetPage((word >> 10) & 31);
  }
}

/** CCMP, CCMN: the low bits are flags. */
function isConditionalCompare(word: u32): bool {
  return (word & 0x3fe00000) === 0x3a400000;
}
