// Which symbols to code: of all ways through the next bytes the cheapest one by the models' present prices
// (as in liblzma's optimal encoder). Inside runs of zeros a match ends only where the run or the match
// does: other ends are never cheaper, and there are very many.

import { arrive, repOf } from './arrive';
import { FAR_LENGTH, priceDistances, priceOfDistance } from './distances';
import { findMatches, found, foundCount } from './finder';
import { MOST_LENGTH, priceLengths, priceOfMatchLength, priceOfRepLength } from './lengths';
import { priceOfLiteral } from './literals';
import {
  afterLiteral,
  afterMatch,
  afterRep,
  isLong,
  isMatch,
  isRep,
  isRep0,
  isRep1,
  isRep2,
} from './model';
import { priceOf0, priceOf1, priceOfBit } from './prices';
import { slideEnds } from './slide';
import { improve, isReached, openSteps, reach, reachUpTo, reached, Step, stepAt } from './steps';
import {
  codeSymbol,
  FAR,
  LITERAL,
  place,
  rep0,
  rep1,
  rep2,
  rep3,
  SHORT_REP,
  state,
} from './symbols';
import { byteAt, common, end, nextEvent, origin, start } from './window';

/** Places that are decided together: so many bytes, or so many of them looked at. */
const MOST_BYTES: i32 = 32768;
const MOST_LOOKED_AT: i32 = 6000;

/** Symbols coded by the same prices of lengths and distances: making them takes as long as some symbols. */
const MOST_UNPRICED: i32 = 64;

/** Symbols coded since. */
let unpriced: i32 = 0;

/** The chosen symbols, last first: u32 way, u32 length. */
const chosen: usize = memory.data(8 * 3 * 33793, 16);

/** Nothing has a price yet. */
export function openParse(): void {
  unpriced = MOST_UNPRICED;
}

/** Codes the next bytes, at least one, and hardly any from `limit` on. */
export function codeNext(limit: i32): void {
  if (unpriced >= MOST_UNPRICED) {
    priceLengths();
    priceDistances();
    unpriced = 0;
  }
  openSteps();
  const first = stepAt(0);
  first.state = state;
  first.rep0 = rep0;
  first.rep1 = rep1;
  first.rep2 = rep2;
  first.rep3 = rep3;
  const from = place;
  const most = min(MOST_BYTES, min(limit, end) - from);
  let offset: i32 = 0;
  for (let looked: i32 = 0; ; offset++) {
    if (!isReached(offset)) continue;
    if (offset > 0) {
      arrive(offset);
      if (offset === reached || offset >= most || looked >= MOST_LOOKED_AT) break;
    }
    goOn(offset, from + offset);
    looked++;
  }
  codeUpTo(offset);
}

function codeUpTo(offset: i32): void {
  let last = chosen;
  for (let at = offset; at > 0;) {
    const step = stepAt(at);
    const length = at - step.from;
    if (step.first > 0) {
      const literalAt = step.first === 1 ? 0 : step.first;
      last = choose(last, 0, length - literalAt - 1);
      last = choose(last, LITERAL, 1);
      if (literalAt > 0) last = choose(last, step.way, literalAt);
    } else last = choose(last, step.way, length);
    at = step.from;
  }
  unpriced += <i32>(last - chosen) >> 3;
  slideEnds(chosen, last - 8);
  while (last > chosen) {
    last -= 8;
    codeSymbol(load<u32>(last), load<u32>(last, 4));
  }
}

@inline
function choose(at: usize, way: u32, length: i32): usize {
  store<u32>(at, way);
  store<u32>(at, <u32>length, 4);
  return at + 8;
}

/** All symbols that may begin here. */
function goOn(offset: i32, at: i32): void {
  const step = stepAt(offset);
  const isInZeros = offset > 0 && isZeros(at);
  const match = step.price + priceOf1(isMatch(step.state));
  const rep = match + priceOf1(isRep(step.state));
  const most = min(<i32>MOST_LENGTH, end - at);
  if (most < 2) {
    goOnByOne(step, offset, at, rep);
    return;
  }
  const longestRep = goOnByReps(step, offset, at, rep, most);
  if (longestRep === <i32>MOST_LENGTH && isDense(at)) return;
  findMatches(at);
  const far = match + priceOf0(isRep(step.state));
  if (foundCount > 0 && lengthOf(foundCount - 1) === <i32>MOST_LENGTH && isDense(at)) {
    goOnByLongest(offset, far);
    return;
  }
  if (!isInZeros || (foundCount === 0 && longestRep === 0)) goOnByOne(step, offset, at, rep);
  if (foundCount > 0) goOnByMatches(step, offset, at, far);
}

/**
 * True if events follow each other. There, nothing but the longest possible match is looked at once it is
 * found: the bytes in it would each take as long.
 */
@inline
function isDense(at: i32): bool {
  return byteAt(at) !== 0 && byteAt(at + 1) !== 0;
}

/** The last match found is as long as a match can be. */
function goOnByLongest(offset: i32, far: u32): void {
  const distance = load<u32>(found + (<usize>(foundCount - 1) << 3), 4);
  const price = far + priceOfMatchLength(MOST_LENGTH) + priceOfDistance(distance, MOST_LENGTH);
  reach(offset + <i32>MOST_LENGTH, price, offset, distance + FAR, 0);
}

/** True if the byte is 0, and so are the two before it. */
@inline
function isZeros(at: i32): bool {
  return at >= start + 2 && (load<u32>(origin + at - 2) & 0xffffff) === 0;
}

/** A literal; a byte at the latest distance; a literal and then more from the latest distance. */
function goOnByOne(step: Step, offset: i32, at: i32, rep: u32): void {
  const byte = byteAt(at);
  const matched = byteAt(at - <i32>step.rep0 - 1);
  const literal =
    step.price +
    priceOf0(isMatch(step.state)) +
    priceOfLiteral(byte, byteAt(at - 1), matched, step.state);
  reach(offset + 1, literal, offset, LITERAL, 0);
  if (at - start <= <i32>step.rep0) return;
  if (byte === matched) {
    const price = rep + priceOf0(isRep0(step.state)) + priceOf0(isLong(step.state));
    reach(offset + 1, price, offset, SHORT_REP, 0);
  } else tryRepAfter(offset, at, 0, step.rep0, literal, afterLiteral(step.state), LITERAL);
}

/**
 * After `length` bytes copied from a distance less 1, and a literal: as much as agrees at that distance.
 * `price` and `state` are those after the literal.
 */
@inline
function tryRepAfter(
  offset: i32,
  at: i32,
  length: i32,
  distance: u32,
  price: u32,
  state: u32,
  way: u32,
): void {
  const next = at + length + 1;
  const more = agreeing(next, distance, min(<i32>MOST_LENGTH, end - next));
  if (more < 2) return;
  const sum =
    price +
    priceOf1(isMatch(state)) +
    priceOf1(isRep(state)) +
    priceOf0(isRep0(state)) +
    priceOf1(isLong(state)) +
    priceOfRepLength(<u32>more);
  reach(offset + length + 1 + more, sum, offset, way, length === 0 ? 1 : length);
}

@inline
function agreeing(at: i32, distance: u32, most: i32): i32 {
  if (most < 2) return 0;
  const here = origin + at;
  const there = here - <usize>distance - 1;
  if (load<u16>(here) !== load<u16>(there)) return 0;
  return common(here, there, most);
}

/** Price and way on after a copy: the literal that ends it, then the same distance. */
function tryLiteralAfter(
  offset: i32,
  at: i32,
  length: i32,
  distance: u32,
  price: u32,
  state: u32,
  way: u32,
): void {
  const next = at + length;
  if (next + 3 > end) return;
  if (load<u16>(origin + next + 1) !== load<u16>(origin + next - <i32>distance)) return;
  const literal =
    price +
    priceOf0(isMatch(state)) +
    priceOfLiteral(byteAt(next), byteAt(next - 1), byteAt(next - <i32>distance - 1), state);
  tryRepAfter(offset, at, length, distance, literal, afterLiteral(state), way);
}

/** The latest distances; returns the longest length. */
function goOnByReps(step: Step, offset: i32, at: i32, rep: u32, most: i32): i32 {
  let longest: i32 = 0;
  const state = afterRep(step.state);
  for (let index: u32 = 0; index < 4; index++) {
    const distance = repOf(step, index);
    if (at - start <= <i32>distance) continue;
    const length = agreeing(at, distance, most);
    // What an earlier one has, too, hardly costs less by this one: among zeros all four agree.
    if (length < 2 || length <= longest) continue;
    const price = rep + priceOfRep(index, step.state);
    const isWhole = length === <i32>MOST_LENGTH && isDense(at);
    const first = isWhole ? at + length : nextEnd(at + max(2, longest + 1), at + length);
    longest = length;
    reachUpTo(offset + length);
    for (let to = first; ; to = nextEnd(to + 1, at + length)) {
      const bytes = to - at;
      improve(offset + bytes, price + priceOfRepLength(<u32>bytes), offset, index, 0);
      if (bytes === length) break;
    }
    const whole = price + priceOfRepLength(<u32>length);
    tryLiteralAfter(offset, at, length, distance, whole, state, index);
  }
  return longest;
}

function priceOfRep(index: u32, state: u32): u32 {
  if (index === 0) return priceOf0(isRep0(state)) + priceOf1(isLong(state));
  const price = priceOf1(isRep0(state));
  if (index === 1) return price + priceOf0(isRep1(state));
  return price + priceOf1(isRep1(state)) + priceOfBit(isRep2(state), index - 2);
}

/** New distances; only after the longest match a literal and more of it is tried, others gain 0.01 %. */
function goOnByMatches(step: Step, offset: i32, at: i32, far: u32): void {
  const state = afterMatch(step.state);
  reachUpTo(offset + lengthOf(foundCount - 1));
  let to = nextEnd(at + 2, at + lengthOf(0));
  for (let i = 0; i < foundCount; i++) {
    const distance = load<u32>(found + (<usize>i << 3), 4);
    const length = lengthOf(i);
    const farther = far + priceOfDistance(distance, MOST_LENGTH);
    let whole: u32;
    // All lengths that no nearer match has.
    for (; ; to = nextEnd(to + 1, at + length)) {
      const bytes = <u32>(to - at);
      const near = bytes < FAR_LENGTH ? far + priceOfDistance(distance, bytes) : farther;
      whole = near + priceOfMatchLength(bytes);
      improve(offset + <i32>bytes, whole, offset, distance + FAR, 0);
      if (<i32>bytes >= length) break;
    }
    if (i + 1 < foundCount) to = nextEnd(to + 1, at + lengthOf(i + 1));
    else tryLiteralAfter(offset, at, length, distance, whole, state, distance + FAR);
  }
}

@inline
function lengthOf(index: i32): i32 {
  return load<i32>(found + (<usize>index << 3));
}

/** From `to` on, the first place where a match may end; `last` always is one. */
@inline
function nextEnd(to: i32, last: i32): i32 {
  if (to >= last) return last;
  return (load<u32>(origin + to - 2) & 0xffffff) === 0 ? nextEvent(to, last) : to;
}
