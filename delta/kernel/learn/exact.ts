// Old target -> new target, as seen in the section so far: 4-way sets of 12 bytes, the oldest goes.

import { alloc } from '../memory';

const SET_BITS: u32 = 12;
const SETS: usize = 1 << SET_BITS;
const ENTRY: usize = 12;
const WAYS: usize = 4;
const MAX_AGREEMENT: u32 = 4;

let table: usize = 0;
let turns: usize = 0;
/** The entry that {@link findExact} found. */
let found: usize = 0;

export function openExact(): void {
  table = alloc(SETS * WAYS * ENTRY);
  turns = alloc(SETS);
}

export function resetExact(): void {
  memory.fill(table, 0, SETS * WAYS * ENTRY);
  memory.fill(turns, 0, SETS);
}

@inline
function setOf(key: u32): usize {
  return <usize>((key * 0x9e3779b1) >>> (32 - SET_BITS));
}

/** True if the target was seen; then {@link exactTarget} and {@link exactAgreement} tell more. */
@inline
export function findExact(key: u32): bool {
  const set = table + setOf(key) * (WAYS * ENTRY);
  for (let way: usize = 0; way < WAYS; way++) {
    const entry = set + way * ENTRY;
    if (load<u32>(entry) === key && load<u32>(entry, 8) !== 0) {
      found = entry;
      return true;
    }
  }
  return false;
}

@inline
export function exactTarget(): u32 {
  return load<u32>(found, 4);
}

/** How often it held since it last changed, 0 to 4. */
@inline
export function exactAgreement(): u32 {
  return load<u32>(found, 8) - 1;
}

/** `isKnown` is what {@link findExact} said of `key`, the last that it was asked for. */
@inline
export function learnExact(key: u32, target: u32, isKnown: bool): void {
  if (isKnown) {
    const isSame = exactTarget() === target;
    store<u32>(found, target, 4);
    store<u32>(found, isSame ? min(load<u32>(found, 8) + 1, MAX_AGREEMENT + 1) : 1, 8);
    return;
  }
  const index = setOf(key);
  const turn = load<u8>(turns + index);
  store<u8>(turns + index, (turn + 1) & 3);
  const entry = table + index * (WAYS * ENTRY) + <usize>turn * ENTRY;
  store<u32>(entry, key);
  store<u32>(entry, target, 4);
  store<u32>(entry, 1, 8);
}
