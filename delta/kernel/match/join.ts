// The cost pass: matching decides by what bytes look like, this by what the coder makes of blocks.

import { Block, BLOCK_BYTES } from '../map/block';
import { countDifferences } from './bytes';
import { spend } from './tick';

/** Prices of the coder in tenths of a bit, measured on programs. */
const enum Coded {
  DIFFERENCE = 90,
  EQUAL = 4,
  LITERAL = 36,
  /** A block's gap, length and shift, where one could be joined. */
  BLOCK = 360,
  /** Joining two blocks must gain this. */
  JOIN = 20,
  /** A block's gap and length. */
  BLOCK_PLACE = 200,
  KNOWN_SHIFT = 60,
  NEW_SHIFT = 60,
  SHIFT_BIT = 10,
  /** What a block saves the next one, of the same shift. */
  SETS_SHIFT = 80,
}

/** How far ahead a block of the same shift is looked for. */
const JOIN_BLOCKS: u32 = 6;
const JOIN_BYTES: u32 = 600;
const KNOWN_SHIFTS: u32 = 4;

/**
 * Joins blocks of one shift where differences are cheaper than what is between the blocks, and drops
 * blocks that cost more than they save; in place.
 *
 * @returns the new number of blocks
 */
export function joinBlocks(
  blocks: usize,
  count: u32,
  old: usize,
  oldLength: u32,
  fresh: usize,
  freshLength: u32,
): u32 {
  if (oldLength === 0) return 0;
  const joined = joinAlike(blocks, count, old, fresh);
  return dropDear(blocks, joined, old, fresh, freshLength);
}

function joinAlike(blocks: usize, count: u32, old: usize, fresh: usize): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const block = blockAt(blocks, kept++);
    copyBlock(block, blockAt(blocks, i));
    let last = joinable(blocks, i, count, block, old, fresh);
    while (last !== i) {
      i = last;
      block.length = endOf(blockAt(blocks, i)) - block.fresh;
      last = joinable(blocks, i, count, block, old, fresh);
    }
  }
  return kept;
}

/** The number of the block after `index` that `block` should be joined with; `index` if there is none. */
function joinable(
  blocks: usize,
  index: u32,
  count: u32,
  block: Block,
  old: usize,
  fresh: usize,
): u32 {
  const from = endOf(block);
  const limit = min(count - index - 1, JOIN_BLOCKS);
  let end = from;
  let between: u32 = 0;
  for (let j = index + 1; j <= index + limit; j++) {
    const other = blockAt(blocks, j);
    const gap = other.fresh - from;
    if (gap > JOIN_BYTES) break;
    between += Coded.BLOCK + (other.fresh - end) * Coded.LITERAL;
    if (shiftOf(other) === shiftOf(block)) {
      spend(32);
      const different = countDifferences(fresh + from, old + (from + shiftOf(block)), gap);
      const price = different * Coded.DIFFERENCE + (gap - different) * Coded.EQUAL + Coded.JOIN;
      return price < between ? j : index;
    }
    end = endOf(other);
  }
  return index;
}

function dropDear(blocks: usize, count: u32, old: usize, fresh: usize, freshLength: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const block = blockAt(blocks, i);
    const isLast = endOf(block) === freshLength;
    if (!isLast && savedBy(block, old, fresh) < price(blocks, kept, i, count)) continue;
    copyBlock(blockAt(blocks, kept++), block);
  }
  return kept;
}

/** What the block's bytes would cost more as literals. */
function savedBy(block: Block, old: usize, fresh: usize): i64 {
  const different = countDifferences(fresh + block.fresh, old + block.old, block.length);
  spend(8 + (block.length >> 4));
  const equal = block.length - different;
  return (
    <i64>equal * (Coded.LITERAL - Coded.EQUAL) - <i64>different * (Coded.DIFFERENCE - Coded.LITERAL)
  );
}

/** What block `index` costs in control, after `kept` blocks that stay. */
function price(blocks: usize, kept: u32, index: u32, count: u32): i64 {
  const shift = shiftOf(blockAt(blocks, index));
  let isKnown = false;
  for (let k: u32 = 1; k <= min(kept, KNOWN_SHIFTS); k++) {
    if (shiftOf(blockAt(blocks, kept - k)) === shift) isKnown = true;
  }
  const step = kept > 0 ? shift - shiftOf(blockAt(blocks, kept - 1)) : shift;
  const bits = 32 - clz<u32>(step < 0 ? 0 - <u32>step : <u32>step);
  let sum: i64 = Coded.BLOCK_PLACE;
  sum += isKnown ? Coded.KNOWN_SHIFT : Coded.NEW_SHIFT + bits * Coded.SHIFT_BIT;
  if (index + 1 < count && shiftOf(blockAt(blocks, index + 1)) === shift) sum -= Coded.SETS_SHIFT;
  return sum;
}

@inline
function blockAt(blocks: usize, index: u32): Block {
  return changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
}

@inline
function endOf(block: Block): u32 {
  return block.fresh + block.length;
}

@inline
function shiftOf(block: Block): i32 {
  return <i32>(block.old - block.fresh);
}

@inline
function copyBlock(to: Block, from: Block): void {
  to.fresh = from.fresh;
  to.old = from.old;
  to.length = from.length;
}
