// An earlier place of the section where the same two or three instructions came last.

import { hash } from '../code/hash';
import { alloc } from '../memory';
import { freshBase, HISTORY, sectionStart } from './output';
import { bytesOf, toUnits } from './word-units';

const TABLE_BITS: u32 = 14;
const ENTRY: usize = 8;
const EMPTY: u32 = 0xffffffff;
/** Farther back bytes may be gone. */
const REACH: u32 = HISTORY - 1024;
/** How many instructions count as matched at first: two were compared, or three. */
const SHORT: u32 = 2;
const LONG: u32 = 6;
const MAX_LENGTH: u32 = 30;
/** A match ends at this many misses of 8. */
const MAX_MISSES: u32 = 3;

/** Place, and checks of the last two and three instructions. */
let table: usize = 0;
let at: u32 = 0;
/** The instruction there, as units; meaningless when {@link matchLength} is 0. */
export let matched: u32 = 0;
/** How many instructions were right, at most MAX_LENGTH; 0 without a match. */
export let matchLength: u32 = 0;
/** A bit for each of the last ones, the latest lowest: 1 if it was wrong. */
export let matchMisses: u32 = 0;

export function openWordMatch(): void {
  table = alloc(ENTRY << TABLE_BITS);
}

export function forgetWordPlaces(): void {
  memory.fill(table, 0xff, ENTRY << TABLE_BITS);
  dropMatch();
}

export function dropMatch(): void {
  matchLength = 0;
}

@inline
function slotOf(h: u32): usize {
  return table + <usize>(h >>> (32 - TABLE_BITS)) * ENTRY;
}

@inline
function checksOf(h: u32, w3: u32): u32 {
  return (h << 16) | (hash(h, w3) >>> 16);
}

/** Place `n` is known by the instructions before it, the latest first. */
export function notePlace(n: u32, w1: u32, w2: u32, w3: u32): void {
  const h = hash(w1, w2);
  const slot = slotOf(h);
  store<u32>(slot, n);
  store<u32>(slot, checksOf(h, w3), 4);
}

/** Notes place `n`, looks for a match if there is none, and fetches what is expected. */
export function findPlace(n: u32, w1: u32, w2: u32, w3: u32): void {
  const h = hash(w1, w2);
  const slot = slotOf(h);
  const place = load<u32>(slot);
  const differs = load<u32>(slot, 4) ^ checksOf(h, w3);
  notePlace(n, w1, w2, w3);
  if (matchLength === 0 && place !== EMPTY && differs >>> 16 === 0) {
    at = place;
    matchLength = differs === 0 ? LONG : SHORT;
    matchMisses = 0;
  }
  if (at < sectionStart || n - at > REACH || n - at < 4) matchLength = 0;
  if (matchLength > 0) matched = toUnits(load<u32>(freshBase + <usize>at), at);
}

/** The instruction at the place was `found`. */
export function followMatch(found: u32): void {
  if (matchLength === 0) return;
  at += bytesOf(matched);
  const misses = matched === found ? 0 : 1;
  matchMisses = matchMisses * 2 + misses;
  if (misses === 0) matchLength = min(matchLength + 1, MAX_LENGTH);
  else matchLength = popcnt(matchMisses & 0xff) >= MAX_MISSES ? 0 : 1;
}
