// An earlier place of the section's new bytes with the same last bytes: what follows there may
// follow here.

import { alloc } from '../memory';
import { freshBase, HISTORY, sectionStart } from './output';

const TABLE_BITS: u32 = 16;
const KEY_BYTES: u32 = 5;
const MIN_MATCH: u32 = 4;
const MAX_MATCH: u32 = 32;
/** A match ends at this many misses in 8 bytes. */
const MAX_MISSES: u32 = 6;
/** Bytes before a run that become known to the table. */
const LEAD: u32 = 64;

let table: usize = 0;
/** New place up to which the table knows. */
let known: u32 = 0;

/** The place followed, 0 for none; bytes that it has in common, and the last misses as bits. */
export let matchAt: u32 = 0;
export let matchLength: u32 = 0;
export let matchMisses: u32 = 0xff;

export function openMatches(): void {
  table = alloc(<usize>4 << TABLE_BITS);
}

/** Empties the table of places: those of training are no places of the section. */
export function forgetPlaces(): void {
  memory.fill(table, 0xff, <usize>4 << TABLE_BITS);
  known = 0;
}

/** Follows no place; those before `n` become known. */
export function beginMatches(n: u32): void {
  matchAt = matchLength = 0;
  matchMisses = 0xff;
  const first = n - min(LEAD, n - sectionStart);
  for (let at = max(max(first, sectionStart + 8), known); at < n; at++) note(at);
}

/** True if a place is followed and worth it. */
@inline
export function isMatching(): bool {
  return matchAt !== 0 && popcnt(matchMisses & 0xff) < MAX_MISSES;
}

@inline
function keyAt(n: u32): usize {
  const key = load<u64>(freshBase + <usize>n - 8) >> (64 - 8 * KEY_BYTES);
  return table + (<usize>((key * 0x9e3779b97f4a7c15) >> (64 - TABLE_BITS)) << 2);
}

/** Place `n` is known by the bytes before it. */
@inline
function note(n: u32): void {
  store<u32>(keyAt(n), n);
}

/** Looks for a place to follow from new place `n` on, if none is or its last byte was wrong. */
export function findMatch(n: u32): void {
  if (n < sectionStart + 8) return;
  const slot = keyAt(n);
  const place = load<u32>(slot);
  store<u32>(slot, n);
  known = n + 1;
  if (matchLength > 0 || place === 0xffffffff || place === matchAt) return;
  if (place >= n || place < sectionStart + MAX_MATCH || n - place > HISTORY - 2 * MAX_MATCH) return;
  let length: u32 = 0;
  while (
    length < MAX_MATCH &&
    load<u8>(freshBase + <usize>(place - 1 - length)) ===
      load<u8>(freshBase + <usize>(n - 1 - length))
  ) {
    length++;
    if (n - length <= sectionStart) break;
  }
  if (length < MIN_MATCH) return;
  matchAt = place;
  matchLength = length;
  matchMisses = 0;
}

/** The byte at the place followed was right or not. */
export function advanceMatch(isRight: bool): void {
  matchAt++;
  matchMisses = matchMisses * 2 + (isRight ? 0 : 1);
  matchLength = isRight ? min(matchLength + 1, 60) : 0;
}

/** No place was followed. */
export function missMatch(): void {
  matchLength = 0;
}
