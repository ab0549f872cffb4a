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

@inline
function endOf(index: u32): i32 {
  const block = changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
  return <i32>(block.fresh + block.length);
}
