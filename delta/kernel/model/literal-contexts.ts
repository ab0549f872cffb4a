// The contexts of literals that are no x86-64 code; x64-contexts.ts has those of such code.

import { hash } from '../code/hash';
import { Mixer } from '../code/mixer';
import { before, recent } from './output';

/**
 * Contexts 0, 5, 6, 11, 12, 14 and 15 at new place `n`, `al` bytes into its instruction or word. For
 * machines of 4-byte instructions `isWordy`, and `top` is 1 + the last byte of the old instruction, 0 if there is none.
 */
export function setPlainContexts(
  x: Mixer,
  n: u32,
  al: u32,
  isWordy: bool,
  top: u32,
): void {
  const c1 = before(1);
  const c2 = before(2);
  const c3 = before(3);
  const c4 = before(4);
  const tops = isWordy ? top | (before(1 + al) << 9) : 0;
  let op: u32;
  if (isWordy) op = c4 | (top << 8);
  else if (c1 === 0xe8 || c1 === 0xe9) op = 256 + ((n + 4) & 15);
  else if (c2 === 0xe8 || c2 === 0xe9) op = 512 + c1;
  else op = (c1 << 10) | c3;
  x.setHash(0, hash(1, 0, al));
  x.setHash(5, hash(6, <u32>recent, before(5) | (before(6) << 8)));
  x.setHash(6, hash(9, c2, c3));
  x.setHash(11, hash(15, c4 | (al << 8), c1));
  x.setHash(12, hash(17, c4 | (c3 << 8), al << 1));
  x.setHash(14, hash(19, op, al));
  x.setHash(15, isWordy ? hash(20, tops, c1 | (al << 8)) : hash(20, c1 | (c2 << 8), c4));
}
