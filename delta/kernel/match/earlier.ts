// The blocks of an earlier pass, as candidates.

import { Block, BLOCK_BYTES } from '../map/block';
import { LITERAL } from './found';

let blocks: usize = 0;
let count: u32 = 0;
/** The first block that ends after the places asked for. */
let next: u32 = 0;
/** Where the answer is the same. */
let from: i32 = 0;
let to: i32 = 0;
let shift: i32 = LITERAL;

/** Blocks this near are worth trying outside of their own places. */
const REACH: i32 = 4096;

/** `at` holds blocks that ascend by new place and do not overlap. */
export function openEarlier(at: usize, blockCount: u32): void {
  blocks = at;
  count = blockCount;
  next = 0;
  from = 0;
  to = 0;
}

/** The shift of the block that covers the new place, or LITERAL. */
@inline
export function earlierShift(place: i32): i32 {
  if (place < from || place >= to) find(place);
  return shift;
}

function find(place: i32): void {
  while (next < count && endOf(next) <= place) next++;
  while (next > 0 && endOf(next - 1) > place) next--;
  from = next > 0 ? endOf(next - 1) : 0;
  to = i32.MAX_VALUE;
  shift = LITERAL;
  if (next === count) return;
  const block = changetype<Block>(blocks + <usize>next * BLOCK_BYTES);
  if (<i32>block.fresh > place) {
    to = <i32>block.fresh;
    return;
  }
  from = <i32>block.fresh;
  to = endOf(next);
  shift = <i32>(block.old - block.fresh);
}

/** The shift of the next block if it begins soon after the new place, or LITERAL. */
export function shiftAhead(place: i32): i32 {
  earlierShift(place);
  const i = next < count && startOf(next) <= place ? next + 1 : next;
  return i < count && startOf(i) - place < REACH ? shiftOf(i) : LITERAL;
}

/** The shift of the last block if it ended shortly before the new place, or LITERAL. */
export function shiftBehind(place: i32): i32 {
  earlierShift(place);
  return next > 0 && place - endOf(next - 1) < REACH ? shiftOf(next - 1) : LITERAL;
}

@inline
function startOf(index: u32): i32 {
  return <i32>changetype<Block>(blocks + <usize>index * BLOCK_BYTES).fresh;
}

@inline
function shiftOf(index: u32): i32 {
  const block = changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
  return <i32>(block.old - block.fresh);
}

@inline
function endOf(index: u32): i32 {
  const block = changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
  return <i32>(block.fresh + block.length);
}
