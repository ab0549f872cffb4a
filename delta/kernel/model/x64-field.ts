// The x86-64 field at the place being coded that counts from its instruction's end (calls, long
// jumps, rip-relative operands) as the target that it has. A byte of the target is the field's plus
// what is known before: a byte of the instruction's end, and a carry.

import { addressOf, Image, NO_PLACE } from '../elf/image';
import { mapAddress } from '../map/map';
import { freshBase } from './output';
import { immediate, opcode, step, Step } from './x64-phase';
import { Branch, guessBranch, learnBranch } from './x64-targets';

export const FIELD_BYTES: u32 = 4;
const CALL: u32 = 0xe8;
const NOWHERE: u32 = 0xffffffff;

let image: Image = changetype<Image>(0);
/** New place of the field, and the address of its instruction's end. */
let place: u32 = NOWHERE;
let end: u32 = 0;
let carry: u32 = 0;

/** Kind ({@link Branch}) of the field, index of the byte at hand, the target's bytes before it. */
export let branch: u32 = 0;
export let fieldByte: u32 = 0;
export let knownTarget: u32 = 0;
/** The field's byte plus this is the target's, modulo 256. */
export let toTarget: u32 = 0;

export function openX64Field(fresh: Image): void {
  image = fresh;
}

/** To be called where a section begins. */
export function forgetX64Field(): void {
  place = NOWHERE;
}

/** True if the byte at new place `n`, where the phase stands, belongs to such a field. */
export function findField(n: u32): bool {
  if (step < Step.REL32 || step >= Step.RIP32 + 4) return false;
  fieldByte = <u32>(step - Step.REL32) & 3;
  if (fieldByte === 0) openField(n);
  else if (place + fieldByte !== n) return false;
  toTarget = ((end >>> (8 * fieldByte)) + carry) & 255;
  return true;
}

function openField(n: u32): void {
  const address = addressOf(image, n);
  place = n;
  end = (address === NO_PLACE ? n : address) + FIELD_BYTES + immediate;
  carry = knownTarget = 0;
  if (step >= Step.RIP32) branch = Branch.DATA;
  else branch = opcode === CALL ? Branch.CALL : Branch.JUMP;
}

/**
 * The field at `n`, of which the first byte is at hand and the others are there already, is one of
 * old code, at old address `at`: its target is to be where it is in the new code.
 */
export function moveField(n: u32, at: u32): void {
  const distance = load<u32>(freshBase + <usize>n);
  end = mapAddress(at + FIELD_BYTES + immediate + distance) - distance;
  toTarget = end & 255;
}

/** The target of the bytes at new place `other`, all made, in an instruction like this one. */
export function targetAt(other: u32): u32 {
  return load<u32>(freshBase + <usize>other) + end - (place - other);
}

/** The byte at hand of a target seen before that begins like this one, or `none`. */
export function guessByte(none: u32): u32 {
  const target = guessBranch(branch, knownTarget, fieldByte);
  return target === 0 ? none : (target >>> (8 * fieldByte)) & 255;
}

/** The field's byte at hand is `byte`. */
export function advanceField(byte: u32): void {
  const shift = 8 * fieldByte;
  const sum = byte + ((end >>> shift) & 255) + carry;
  knownTarget |= (sum & 255) << shift;
  carry = sum >>> 8;
}

/** To be called after the last byte of fields that are no references. */
export function learnField(): void {
  learnBranch(branch, knownTarget);
}
