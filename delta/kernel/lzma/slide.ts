// Where two copies meet that follow each other: earlier or later, as long as the bytes agree at both
// distances; in zeros they mostly do, and the search for the cheapest way tries few of those places.

import { priceOfDistance } from './distances';
import { MOST_LENGTH, priceOfMatchLength, priceOfRepLength } from './lengths';
import { FAR, LITERAL, place, rep0, rep1, rep2, rep3, SHORT_REP } from './symbols';
import { origin, start } from './window';

/** A copy that is chosen: u32 way, i32 length. */
@unmanaged
class Copy {
  way: u32;
  length: i32;
}

const COPY_BYTES: usize = 8;
const LEAST_COPIED: i32 = 2;

/** The latest distances less 1, as the symbols on the way have left them. */
let near0: u32 = 0;
let near1: u32 = 0;
let near2: u32 = 0;
let near3: u32 = 0;

/** Changes the lengths of chosen symbols, which stand from `last` down to `first` and begin at `place`. */
export function slideEnds(first: usize, last: usize): void {
  near0 = rep0;
  near1 = rep1;
  near2 = rep2;
  near3 = rep3;
  let at = place;
  let before = changetype<Copy>(0);
  let distance: u32 = 0;
  for (let symbol = last; symbol >= first; symbol -= COPY_BYTES) {
    const copy = changetype<Copy>(symbol);
    const end = at + copy.length;
    if (copy.way === LITERAL || copy.way === SHORT_REP) {
      before = changetype<Copy>(0);
    } else {
      const distanceBefore = distance;
      distance = takeDistance(copy.way);
      if (changetype<usize>(before) !== 0) meet(before, distanceBefore, copy, distance, at);
      before = copy;
    }
    at = end;
  }
}

function takeDistance(way: u32): u32 {
  let distance = near0;
  if (way === 0) return distance;
  if (way >= FAR) {
    distance = way - FAR;
    near3 = near2;
    near2 = near1;
  } else if (way === 1) distance = near1;
  else {
    distance = way === 2 ? near2 : near3;
    if (way === 3) near3 = near2;
    near2 = near1;
  }
  near1 = near0;
  near0 = distance;
  return distance;
}

/** Of two copies that meet at `at` and the distances of both. */
function meet(first: Copy, firstDistance: u32, second: Copy, secondDistance: u32, at: i32): void {
  const a = first.length;
  const b = second.length;
  const here = origin + at;
  let best = priceOfCopy(first.way, a) + priceOfCopy(second.way, b);
  let shift: i32 = 0;
  const mostBack = min(min(a - LEAST_COPIED, <i32>MOST_LENGTH - b), at - start - <i32>secondDistance - 1);
  for (let i: i32 = 1; i <= mostBack; i++) {
    if (load<u8>(here - i) !== load<u8>(here - i - <usize>secondDistance - 1)) break;
    const price = priceOfCopy(first.way, a - i) + priceOfCopy(second.way, b + i);
    if (price >= best) continue;
    best = price;
    shift = -i;
  }
  const mostAhead = min(b - LEAST_COPIED, <i32>MOST_LENGTH - a);
  for (let i: i32 = 0; i < mostAhead; i++) {
    if (load<u8>(here + i) !== load<u8>(here + i - <usize>firstDistance - 1)) break;
    const price = priceOfCopy(first.way, a + i + 1) + priceOfCopy(second.way, b - i - 1);
    if (price >= best) continue;
    best = price;
    shift = i + 1;
  }
  first.length = a + shift;
  second.length = b - shift;
}

@inline
function priceOfCopy(way: u32, length: i32): u32 {
  return way >= FAR
    ? priceOfMatchLength(<u32>length) + priceOfDistance(way - FAR, <u32>length)
    : priceOfRepLength(<u32>length);
}
