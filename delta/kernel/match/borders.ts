// Where one block follows another at once, both often agree for some bytes: the border may be anywhere in
// them. It belongs where functions and records begin, since the map of old to new places is made of it.

import { Block, BLOCK_BYTES } from '../map/block';
import { fresh, old, oldLength } from './inputs';

/** How far a border is moved. */
const REACH: u32 = 64;
/** The largest alignment that counts: 2^5 bytes. */
const MAX_ALIGNMENT: u32 = 1 << 5;

/**
 * Moves borders, in place, at no price: each new byte is still copied as well as before. Blocks that have
 * no byte left go.
 *
 * @returns the new number of blocks
 */
export function alignBorders(blocks: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const right = changetype<Block>(blocks + <usize>i * BLOCK_BYTES);
    while (kept > 0) {
      const left = changetype<Block>(blocks + <usize>(kept - 1) * BLOCK_BYTES);
      if (left.fresh + left.length !== right.fresh) break;
      const move = bestMove(left, right);
      left.length += move;
      right.fresh += move;
      right.old += move;
      right.length -= move;
      if (left.length > 0) break;
      kept--;
    }
    if (right.length === 0) continue;
    const at = blocks + <usize>kept * BLOCK_BYTES;
    kept++;
    if (at !== changetype<usize>(right)) memory.copy(at, changetype<usize>(right), BLOCK_BYTES);
  }
  return kept;
}

/** By how much the border is to move: to the earliest of the best places. */
function bestMove(left: Block, right: Block): i32 {
  const middle = right.fresh;
  const toLeft = left.old - left.fresh;
  const toRight = right.old - right.fresh;
  const low = middle - min(min(REACH, left.length), right.old);
  const high = middle + min(min(REACH, right.length), <u32>oldLength - (left.old + left.length));
  let from = middle;
  while (from > low && isTie(from - 1, toLeft, toRight)) from--;
  let best = from;
  let bestRank: u32 = 0;
  for (let place = from; ; place++) {
    const rank = ctz(place | (place + toLeft) | (place + toRight) | MAX_ALIGNMENT);
    if (rank > bestRank) {
      bestRank = rank;
      best = place;
    }
    if (place >= high || (place >= middle && !isTie(place, toLeft, toRight))) break;
  }
  return <i32>(best - middle);
}

/** True if both shifts copy the new byte, or neither does. */
@inline
function isTie(place: u32, toLeft: u32, toRight: u32): bool {
  const byte = load<u8>(fresh + place);
  const a = load<u8>(old + (place + toLeft));
  const b = load<u8>(old + (place + toRight));
  return (a === byte) === (b === byte);
}
