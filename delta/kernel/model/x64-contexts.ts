// The contexts that only x86-64 code has: what the instruction is so far and what came before it;
// in fields that have a target, the target instead.

import { hash } from '../code/hash';
import { Mixer } from '../code/mixer';
import { branch, fieldByte, knownTarget, toTarget } from './x64-field';
import { last1, last2, last3, modrm, opcode, soFar, step } from './x64-phase';

/** For a literal, contexts 0, 5, 6, 11, 12, 14 and 15. */
export function setLiteralContexts(x: Mixer, inField: bool): void {
  x.setHash(0, hash(21, step, inField ? branch : opcode));
  x.setHash(5, hash(6, soFar, last1, last2 + (last3 << 8)));
  if (inField) {
    x.setHash(6, hash(22, step, knownTarget, branch));
    x.setHash(11, hash(23, step, knownTarget));
    x.setHash(12, hash(24, step, knownTarget, last1));
    x.setHash(14, hash(25, step, toTarget, branch));
    x.setHash(15, hash(26, step, soFar, last1));
    return;
  }
  x.setHash(6, hash(22, step, soFar, last1));
  x.setHash(11, hash(23, step, soFar));
  x.setHash(12, hash(24, soFar, last1, last2));
  x.setHash(14, hash(25, step, opcode, modrm));
  x.setHash(15, hash(26, soFar, (last1 & 0xffff) | (last2 << 16), last3 & 0xffff));
}

/**
 * For the flag of a byte predicted as `pr` and followed by `next` (two bytes), contexts 10, 12, 14,
 * 15, 17 and 18; `guess` is the difference that makes the target one seen before, 256 for none.
 */
export function setFlagContexts(
  f: Mixer,
  inField: bool,
  pr: u32,
  next: u32,
  guess: u32,
  kind: u32,
  sure: u32,
  h: u32,
  gapClass: u32,
): void {
  f.setHash(10, hash(11, step, h & 7, kind));
  f.setHash(12, inField ? hash(13, guess, fieldByte, sure) : hash(13, pr | (next << 8), step));
  f.setHash(14, hash(15, opcode, modrm | (<u32>step << 8), h & 3));
  f.setHash(15, hash(16, soFar, pr, kind));
  f.setHash(17, hash(18, step, gapClass, opcode));
  const target = predictedTarget(pr);
  f.setHash(18, inField ? hash(19, target, knownTarget, fieldByte) : hash(19, soFar, last1, pr));
}

/** For the difference of such a byte, contexts 10 to 12, 15, 16, 19; in a field 13 and 14 too. */
export function setValueContexts(
  v: Mixer,
  inField: bool,
  pr: u32,
  guess: u32,
  lastDifference: u32,
): void {
  v.setHash(10, hash(11, soFar, pr));
  v.setHash(11, hash(12, step, lastDifference, opcode));
  v.setHash(12, hash(13, opcode, modrm | (<u32>step << 8), pr));
  v.setHash(15, hash(16, step, lastDifference));
  v.setHash(16, hash(17, soFar, last1));
  if (!inField) {
    v.setHash(19, hash(20, step, opcode, pr));
    return;
  }
  v.setHash(13, hash(14, predictedTarget(pr), knownTarget, fieldByte));
  v.setHash(14, hash(15, guess, fieldByte, branch));
  v.setHash(19, hash(20, predictedTarget(pr), fieldByte, branch));
}

/** The target's byte that the field's byte `pr` stands for. */
@inline
function predictedTarget(pr: u32): u32 {
  return (pr + toTarget) & 255;
}
