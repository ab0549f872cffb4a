// How far the targets in a stretch of 512 bytes moved lately: a direct table of 12-byte entries.

import { alloc } from '../memory';

const BITS: u32 = 13;
const ENTRY: usize = 12;
const STRETCH_SHIFT: u32 = 9;

let table: usize = 0;
/** The entry that {@link findShift} found. */
let found: usize = 0;

export function openShifts(): void {
  table = alloc(ENTRY << BITS);
}

export function resetShifts(): void {
  memory.fill(table, 0, ENTRY << BITS);
}

@inline
function entryOf(stretch: u32): usize {
  return table + <usize>((stretch * 0x9e3779b1) >>> (32 - BITS)) * ENTRY;
}

@inline
function holds(stretch: u32): bool {
  const entry = entryOf(stretch);
  if (load<u32>(entry) !== stretch + 1) return false;
  found = entry;
  return true;
}

/** True if the key's stretch, or the one before, has moved targets. */
@inline
export function findShift(key: u32): bool {
  const stretch = key >>> STRETCH_SHIFT;
  return holds(stretch) || (stretch > 0 && holds(stretch - 1));
}

@inline
export function shiftDistance(): u32 {
  return load<u32>(found, 4);
}

/** -2 to 4; the shift is worth trying from 1 on. */
@inline
export function shiftScore(): i32 {
  return load<i32>(found, 8);
}

/**
 * `target` of `key` is now known; `mapped` is what the map says, `known` what {@link findShift} said of
 * `key`, the last that it was asked for.
 */
@inline
export function learnShift(key: u32, own: u32, target: u32, mapped: u32, known: bool): void {
  let distance = known ? shiftDistance() : 0;
  let score = known ? shiftScore() : 0;
  const mapIsRight = target === mapped;
  const shiftIsRight = known && target === own + distance;
  if (mapIsRight && !shiftIsRight) score = max(score - 1, -2);
  else if (shiftIsRight && !mapIsRight) score = min(score + 1, 4);
  else if (!shiftIsRight) score = max(score - 1, 0);
  if (!mapIsRight) distance = target - own;
  const entry = entryOf(key >>> STRETCH_SHIFT);
  store<u32>(entry, (key >>> STRETCH_SHIFT) + 1);
  store<u32>(entry, distance, 4);
  store<i32>(entry, score, 8);
}
