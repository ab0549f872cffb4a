// The new instruction where a predicted one is wrong, field by field: most fields are as predicted, and
// the others often change as they did before.

import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { alloc } from '../memory';
import { expectedBit } from './classes';
import * as units from './word-units';
import { operandOf, operationOf, resultOf } from './word-units';

const NO_UNIT: u32 = 256;
const REGISTERS: usize = 32;

let mixer: Mixer = changetype<Mixer>(0);
/** By predicted operation: new minus predicted instruction the last time, and the new one. */
let changes: usize = 0;
/** By register predicted: the new one in its place the last time, + 1, or 0. */
let renamed: usize = 0;
/** New minus predicted instruction, and the predicted one, of the last that was wrong. */
export let lastChange: u32 = 0;
export let lastPredicted: u32 = 0;

export function openWordFields(): void {
  mixer = newMixer(20, 18, units.SYMBOLS, 512, 2048, 256, 1, 1024, 250);
  changes = alloc(units.OPERATIONS * 8);
  renamed = alloc(REGISTERS);
}

export function resetWordFields(): void {
  mixer.reset();
  memory.fill(changes, 0, units.OPERATIONS * 8);
  memory.fill(renamed, 0, REGISTERS);
  lastChange = lastPredicted = 0;
}

@inline
export function renamedTo(register: u32): u32 {
  return load<u8>(renamed + <usize>register);
}

/**
 * Codes the instruction `word` (building) of four bytes and returns it; all are units. `predicted` is
 * wrong; `other` is what the runner-up gives, `seen` what the same prediction was the last time (0: not
 * known). The reference in it is of `kind` (0: none) and as sure as `sure`. `w1`, `w2` are the new ones
 * before, `after` the one predicted next.
 */
export function codeFields(
  word: u32,
  predicted: u32,
  other: u32,
  seen: u32,
  kind: u32,
  sure: u32,
  w1: u32,
  w2: u32,
  after: u32,
): u32 {
  const x = mixer;
  const oldOperation = operationOf(predicted);
  const change = changes + (<usize>oldOperation << 3);
  const hasChange = load<u32>(change) !== 0;
  const again = predicted + load<u32>(change);
  const hasOther = kind !== 0 && other !== predicted;
  const class0 = (predicted >>> units.classShift) & 255;
  const rd1 = resultOf(w1);
  const w12 = hash(w1, w2);
  const operationAfter = operationOf(after);
  let last = load<u32>(change, 4);
  let prefix: u32 = 0;
  /** A bit for each unit so far, the latest lowest: 1 if it was not as predicted. */
  let misses: u32 = 0;
  // As in word-literals.ts.
  let otherState: u32 = hasOther ? 1 : 0;
  let againState: u32 = hasChange ? 1 : 0;
  let low: u32 = 32;
  let first: u32 = 0;
  units.openUnits();
  for (let k: u32 = 0; low > 0; k++) {
    const width = (units.widths >>> (4 * k)) & 15;
    const known = low;
    low -= width;
    const mask: u32 = (1 << width) - 1;
    const p = (predicted >>> low) & mask;
    const o = hasOther ? (other >>> low) & mask : NO_UNIT;
    const e = hasChange ? (again >>> low) & mask : NO_UNIT;
    const s = seen ? (seen >>> low) & mask : NO_UNIT;
    if (known === units.operationLow) last = load<u32>(changes + (<usize>prefix << 3), 4);
    const operation = known > units.operationLow ? prefix : prefix >>> (units.operationLow - known);
    const agrees: u32 = misses === 0 ? 1 : 0;
    const ko = k | (operation << 3);
    const kp = hash(k, prefix);
    x.setHash(0, kp);
    x.setHash(1, hash(1, ko, p));
    x.setHash(2, hash(2, kp, predicted));
    x.setHash(3, hash(3, ko | (misses << 20), p));
    x.setHash(4, hash(4, k, p, misses | (kind << 8)));
    x.setHash(5, hash(5, k, p, p < 32 ? renamedTo(p) : 0));
    x.setHash(6, hash(6, ko, p, e));
    x.setHash(7, hash(7, kp, w1));
    x.setHash(8, hash(8, kp, w12));
    x.setHash(9, hash(9, ko, p | (o << 9), sure));
    x.setHash(10, hash(10, kp, s, p));
    x.setHash(11, hash(11, kp, operationAfter, p));
    x.setHash(12, hash(12, k | (kind << 4), sure, misses));
    x.setHash(13, hash(13, k | (misses << 4), p, (lastChange >>> low) & mask));
    x.setHash(14, hash(14, kp, last));
    x.setHash(15, hash(15, ko, p, rd1));
    x.setHash(16, hash(16, k, oldOperation, misses));
    x.setHash(17, hash(17, ko, prefix & 63, p));
    const state = k * 64 + (agrees + 2 * otherState) * 9;
    const class1 = k < 2 ? class0 : (prefix >>> (units.classShift - known)) & 255;
    const states = k | (agrees << 3) | (otherState << 4) | (againState << 6);
    let symbol: u32 = 1;
    for (let bit = <i32>width - 1; bit >= 0; bit--) {
      const ep = expectedBit(p, symbol, bit, width);
      const eo = expectedBit(o, symbol, bit, width);
      const ee = expectedBit(e, symbol, bit, width);
      const es = expectedBit(s, symbol, bit, width);
      const votes = ep | (eo << 2) | (ee << 4) | (es << 6);
      x.setSteady(18, hash(18, votes, states, kind), symbol);
      x.setSteady(19, hash(19, ep, k | (misses << 3), bit), symbol);
      symbol =
        symbol * 2 +
        x.code(
          (word >>> (low + <u32>bit)) & 1,
          symbol,
          first + symbol,
          (state + ep + 3 * eo) & 511,
          256 * k + class1,
          votes,
          0,
          first + symbol,
          hash(5, ep | (k << 2), agrees | (otherState << 2), kind),
        );
    }
    first += 1 << width;
    const found = symbol & mask;
    misses = misses * 2 + (p !== found ? 1 : 0);
    if (o !== found && hasOther) otherState = 2;
    if (e !== found && hasChange) againState = 2;
    prefix = (prefix << width) | found;
  }
  lastChange = prefix - predicted;
  lastPredicted = predicted;
  store<u32>(change, lastChange);
  store<u32>(change, prefix, 4);
  store<u8>(renamed + <usize>resultOf(predicted), <u8>(1 + resultOf(prefix)));
  store<u8>(renamed + <usize>operandOf(predicted), <u8>(1 + operandOf(prefix)));
  return prefix;
}
