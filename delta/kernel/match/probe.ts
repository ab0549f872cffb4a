// New diagonals from the index: of the old places with the gram at a new place, the ones nearest to where
// the best path expects it, and of these the ones that would pay.

import { bucketAhead, hashAhead } from './ahead';
import { countDifferences, equalMask } from './bytes';
import { isRecent, LITERAL } from './found';
import { LONG, sameGram } from './gram';
import { entries, gramBytes, stepShift, tagBits, tagMask, tagOf } from './index';
import { fresh, freshLength, isOld, old, oldLength } from './inputs';
import { seeLane } from './lanes';
import { followed } from './path';
import { Price } from './price';
import { spend } from './tick';
import { propose } from './walk';

/** Old places on each side of the expected one. */
const NEAR: u32 = 2;
/** How far a candidate is compared with the best path, ahead and behind; and its differences ahead. */
const AHEAD: i32 = 48;
const BEHIND: i32 = 31;
const MAX_MISSES: i32 = 6;
/** A candidate that is better, but by too little, is compared so much further. */
const LATER: i32 = 512;
/** New bytes for which a refused shift is not looked at again. */
const REST: i32 = 12;

/** Refused shifts by a hash of theirs: {shift, place until which it rests}. */
const REFUSED_BITS: u32 = 6;
const refused: usize = memory.data(512, 16);

export function openProbes(): void {
  memory.fill(refused, 0, 8 << REFUSED_BITS);
}

/** Proposes lanes at a place that {@link isIndexed}. The best path there has cost, node and shift. */
export function probe(place: i32, best: i32, bestNode: i32, bestShift: i32): void {
  const hash = hashAhead(place);
  const tag = tagOf(hash);
  const bucket = bucketAhead(place);
  let entry = <u32>bucket;
  let end = <u32>(bucket >> 32);
  if (end - entry > 2 * NEAR) {
    const expected = place + (bestShift === LITERAL ? followed : bestShift);
    const middle = firstFrom(entry, end, expected);
    if (middle - entry > NEAR) entry = middle - NEAR;
    if (end - middle > NEAR) end = middle + NEAR;
  }
  spend(32);
  const isLong = gramBytes === LONG;
  for (; entry < end; entry++) {
    const value = load<u32>(entries + ((<usize>entry) << 2));
    if ((value & tagMask) !== tag) continue;
    const from = <i32>((value >> tagBits) << stepShift);
    const shift = from - place;
    if (seeLane(shift, place)) continue;
    const slot = refused + ((<usize>((<u32>shift * 0x9e3779b1) >> (32 - REFUSED_BITS))) << 3);
    if (load<i32>(slot) === shift && load<i32>(slot, 4) > place) continue;
    if (!sameGram(old + from, fresh + place, isLong)) continue;
    const price = isRecent(shift) ? Price.SWITCH_KNOWN : Price.SWITCH;
    let more = gain(from, place, bestShift);
    if (more > 0 && more * Price.LITERAL < price) more += laterGain(from, place, bestShift);
    if (more * Price.LITERAL < price) {
      store<i32>(slot, shift);
      store<i32>(slot, place + REST, 4);
    } else propose(shift, place, best, bestNode, price);
  }
}

/** The first entry of the bucket at the old place or after it. */
function firstFrom(entry: u32, end: u32, place: i32): u32 {
  const least = ((<u64>max(place, 0)) >> stepShift) << tagBits;
  while (entry < end) {
    const middle = (entry + end) >> 1;
    if (<u64>load<u32>(entries + ((<usize>middle) << 2)) < least) entry = middle + 1;
    else end = middle;
  }
  return entry;
}

/** How many more bytes agree further ahead: for records of which few bytes differ. */
function laterGain(from: i32, place: i32, shift: i32): i32 {
  const other = place + shift;
  if (shift === LITERAL || !isOld(other)) return 0;
  const left = min(freshLength - place, oldLength - max(from, other)) - AHEAD;
  if (left <= 0) return 0;
  const length = <u32>min(left, LATER);
  const at = fresh + (place + AHEAD);
  spend(64);
  return (
    <i32>countDifferences(old + (other + AHEAD), at, length) -
    <i32>countDifferences(old + (from + AHEAD), at, length)
  );
}

/** How many more bytes agree around `place` when it is copied from `from` than with `shift`. */
function gain(from: i32, place: i32, shift: i32): i32 {
  const other = place + shift;
  const isOther = shift !== LITERAL && isOld(other);
  const ahead = min(AHEAD, min(freshLength - place, oldLength - from));
  let mine = equalMask(old + from, fresh + place, ahead);
  let theirs = isOther
    ? equalMask(old + other, fresh + place, min(ahead, oldLength - other))
    : <u64>0;
  let misses = ~mine & (((<u64>1) << ahead) - 1);
  for (let i: i32 = 0; i < MAX_MISSES; i++) misses &= misses - 1;
  if (misses !== 0) {
    const counted = (misses & -misses) - 1;
    mine &= counted;
    theirs &= counted;
  }
  let more = <i32>popcnt(mine) - <i32>popcnt(theirs);
  const behind = min(BEHIND, min(from, place));
  if (behind === 0) return more;
  mine = equalMask(old + (from - behind), fresh + (place - behind), behind) << (64 - behind);
  const run = min(<i32>clz(~mine), behind);
  if (run === 0) return more;
  more += run;
  if (isOther && other >= run) {
    more -= <i32>popcnt(equalMask(old + (other - run), fresh + (place - run), run));
  }
  return more;
}
