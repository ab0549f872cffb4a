// Where a new byte stands in its RISC-V instruction.

import { isStart } from '../refs/rv64';
import { freshBase, sectionStart } from './output';

/** Bytes before that are looked at, at most. */
const LOOK_BACK: u32 = 32;

/**
 * 0 or 1 in the first halfword of an instruction, 2 or 3 in the second, as far as the bytes of the
 * section before new place `n` tell.
 */
export function placeInRv64(n: u32): u32 {
  const half = n & ~1;
  const known = half < sectionStart ? 0 : min(half - sectionStart, LOOK_BACK);
  const at = freshBase + <usize>half;
  return (n & 1) | (isStart(at, at - <usize>known) ? 0 : 2);
}
