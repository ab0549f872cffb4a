// Old target -> new target, as seen in the section so far: sets of 4 that are looked through at once, the
// oldest goes. A set is four keys, four targets and four counts, 0 where nothing is.

import { alloc } from '../memory';

const SET_BITS: u32 = 12;
const SETS: usize = 1 << SET_BITS;
const SET_BYTES: usize = 48;
const TARGET: usize = 16;
const COUNT: usize = 32;
const MAX_AGREEMENT: u32 = 4;

let table: usize = 0;
let turns: usize = 0;
/** The key's place that {@link findExact} found. */
let found: usize = 0;

export function openExact(): void {
  table = alloc(SETS * SET_BYTES);
  turns = alloc(SETS);
}

export function resetExact(): void {
  memory.fill(table, 0, SETS * SET_BYTES);
  memory.fill(turns, 0, SETS);
}

@inline
function setOf(key: u32): usize {
  return <usize>((key * 0x9e3779b1) >>> (32 - SET_BITS));
}

/** True if the target was seen; then {@link exactTarget} and {@link exactAgreement} tell more. */
@inline
export function findExact(key: u32): bool {
  const set = table + setOf(key) * SET_BYTES;
  const isKey = i32x4.eq(v128.load(set), i32x4.splat(<i32>key));
  const isFree = i32x4.eq(v128.load(set, COUNT), i32x4.splat(0));
  const ways = <u32>i32x4.bitmask(v128.andnot(isKey, isFree));
  if (ways === 0) return false;
  found = set + (<usize>ctz(ways) << 2);
  return true;
}

@inline
export function exactTarget(): u32 {
  return load<u32>(found, TARGET);
}

/** How often it held since it last changed, 0 to 4. */
@inline
export function exactAgreement(): u32 {
  return load<u32>(found, COUNT) - 1;
}

/** `isKnown` is what {@link findExact} said of `key`, the last that it was asked for. */
@inline
export function learnExact(key: u32, target: u32, isKnown: bool): void {
  if (isKnown) {
    const isSame = exactTarget() === target;
    store<u32>(found, target, TARGET);
    store<u32>(found, isSame ? min(load<u32>(found, COUNT) + 1, MAX_AGREEMENT + 1) : 1, COUNT);
    return;
  }
  const index = setOf(key);
  const turn = load<u8>(turns + index);
  store<u8>(turns + index, (turn + 1) & 3);
  const place = table + index * SET_BYTES + (<usize>turn << 2);
  store<u32>(place, key);
  store<u32>(place, target, TARGET);
  store<u32>(place, 1, COUNT);
}
