// The models of .eh_frame records: decisions, jumps, and bytes against those of the predicted record.

import { fail, Fault } from '../fail';
import { encoding } from '../code/arith';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { codePlain, isPlain, Stream } from '../code/plain';
import { advances, frameOffset, operations, programHash } from './eh-program';

const BYTE_CONTEXTS: u32 = 20;
const BYTE_TABLE_BITS: u32 = 17;
const FLAG_CONTEXTS: u32 = 8;
const FLAG_TABLE_BITS: u32 = 14;

/** What a decision is about. */
export const enum EhFlag {
  /** Another record than the next one. */
  LEAVE = 0,
  /** Of that: the one that was found by its place. */
  FOUND = 1,
  /** Of the rest: none, the record is new. */
  INSERTED = 2,
  BACKWARDS = 3,
  /** The record is as predicted; + 4 * kind + how the record was named. */
  SAME = 4,
  LENGTH = 20,
  DIGIT = 21,
}

let bytes: Mixer = changetype<Mixer>(0);
let flags: Mixer = changetype<Mixer>(0);
/** Of the last bytes, which ones differed from the predicted ones. */
let missed: u32 = 0;

export function openEhCode(): void {
  if (isPlain) return;
  bytes = newMixer(BYTE_CONTEXTS, BYTE_TABLE_BITS, 1024, 64, 256, 0, 1, 512, 60);
  flags = newMixer(FLAG_CONTEXTS, FLAG_TABLE_BITS, 64, 16, 0, 0, 1, 256, 30);
}

export function resetEhCode(): void {
  missed = 0;
  if (isPlain) return;
  bytes.reset();
  flags.reset();
}

/** Codes a decision; `history` holds the last ones of its kind, the latest lowest. */
export function codeEhFlag(bit: u32, id: u32, history: u32, a: u32, b: u32, c: u32): u32 {
  if (isPlain) return codePlain(encoding, Stream.NUMBERS, bit);
  flags.setHash(0, hash(id, 1, history & 1));
  flags.setHash(1, hash(id, 2, history & 255));
  flags.setHash(2, hash(id, 3, a, history & 1));
  flags.setHash(3, hash(id, 4, b));
  flags.setHash(4, hash(id, 5, c, a));
  flags.setHash(5, hash(id, 6, a, b));
  flags.setHash(6, hash(id, 7, c, history & 3));
  flags.setHash(7, hash(id, 8, history & 0xffff));
  const near = history & 7;
  return flags.code(bit, 0, (id & 7) * 8 + near, min(a, 15), 0, 0, 0, id * 8 + near, a);
}

/** Codes a number below 2^24. */
export function codeEhNumber(value: u32, context: u32): u32 {
  const plus = value + 1;
  const length: u32 = 32 - clz(plus);
  let n: u32 = 1;
  while (codeEhFlag(length > n ? 1 : 0, EhFlag.LENGTH, n, min(n, 15), context, 0)) {
    if (++n > 24) fail(Fault.BAD_FORMAT, n);
  }
  let prefix: u32 = 1;
  for (let i = <i32>n - 2; i >= 0; i--) {
    const known = i < <i32>n - 4 ? 0 : prefix;
    const bit = (plus >>> (<u32>i)) & 1;
    prefix = prefix * 2 + codeEhFlag(bit, EhFlag.DIGIT, known, n, <u32>i, context);
  }
  return prefix - 1;
}

/**
 * Codes a byte of a record. `field` below 27 says what it is, `state` below 256 more of it; `expected`,
 * `next` and `last` are the predicted bytes here, after and before, `before` the last four coded ones,
 * the latest lowest.
 */
export function codeEhByte(
  byte: u32,
  field: u32,
  state: u32,
  expected: u32,
  next: u32,
  last: u32,
  before: u32,
): u32 {
  if (isPlain) return (codePlain(encoding, Stream.VALUES, byte - expected) + expected) & 255;
  const one = before & 255;
  const two = before & 0xffff;
  const three = before & 0xffffff;
  const third = (before >>> 16) & 255;
  let prefix: u32 = 1;
  for (let i: u32 = 7; i < 8; i--) {
    const isOpen = (expected | 256) >>> (i + 1) === prefix;
    const e: u32 = isOpen ? 1 + ((expected >>> i) & 1) : 0;
    const h = bytes.hashes;
    store<u32>(h, hash(1, prefix, field), 0);
    store<u32>(h, hash(2, prefix, field, expected), 4);
    store<u32>(h, hash(3, prefix, expected | (one << 8), field), 8);
    store<u32>(h, hash(4, prefix, two), 12);
    store<u32>(h, hash(5, prefix, three), 16);
    store<u32>(h, hash(6, prefix, expected | (next << 8), one), 20);
    store<u32>(h, hash(7, e, missed & 255, field), 24);
    store<u32>(h, hash(8, e, missed & 15, i), 28);
    store<u32>(h, hash(9, prefix, state, expected), 32);
    store<u32>(h, hash(10, prefix, state, one), 36);
    store<u32>(h, hash(11, e, missed & 0xffff), 40);
    store<u32>(h, hash(12, e, expected, state), 44);
    store<u32>(h, hash(13, e, missed & 3, expected | (next << 8)), 48);
    store<u32>(h, hash(14, prefix, expected | (last << 8), two), 52);
    store<u32>(h, hash(15, e, two, missed & 1), 56);
    store<u32>(h, hash(16, prefix, state | (two & 0xff00), third), 60);
    store<u32>(h, hash(17, prefix, state | ((operations & 0xffff) << 8), frameOffset), 64);
    store<u32>(h, hash(18, prefix, state | (operations << 8), e), 68);
    store<u32>(h, hash(19, prefix, state | (programHash << 8), expected), 72);
    store<u32>(h, hash(20, prefix, state | (advances << 8), frameOffset), 76);
    const set0 = ((field & 3) * 256 + prefix) & 1023;
    const set1 = (e * 16 + (missed & 15)) & 63;
    const bit = (byte >>> i) & 1;
    const context1 = hash(3, prefix, expected);
    prefix =
      prefix * 2 + bytes.code(bit, 0, set0, set1, min(state, 255), 0, 0, field * 4 + e, context1);
  }
  byte = prefix & 255;
  missed = (missed << 1) | (byte === expected ? 0 : 1);
  return byte;
}
