// The blocks of a pair, all of them before the first new byte: gap since the last block, shift (old
// minus new) as an index of the 64 last ones or as a difference, length.

import { codeNumber, codeSigned } from '../code/numbers';
import { encoding } from '../code/arith';
import { fail, Fault } from '../fail';
import { alloc } from '../memory';
import { Block, BLOCK_BYTES, MAX_BLOCKS } from '../map/block';
import { bits } from './classes';
import { cutHoles, holeBefore, uncutHoles } from './holes';

const GAP: u32 = 1;
const SHIFT_INDEX: u32 = 2;
const SHIFT: u32 = 3;
const LENGTH: u32 = 4;
const COUNT: u32 = 5;

const RECENT: u32 = 64;

export let blocks: usize = 0;
export let blockCount: u32 = 0;

let recent: usize = 0;
let recentCount: u32 = 0;

@inline
export function blockAt(index: u32): Block {
  return changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
}

/** The blocks to code (building). */
export function setBlocks(from: usize, count: u32): void {
  blocks = from;
  blockCount = count;
}

/** Moves `shift` to the front of the recent ones. */
function remember(shift: i32, index: u32): void {
  if (index === recentCount && recentCount < RECENT) recentCount++;
  for (let i = min(index, recentCount - 1); i > 0; i--) {
    store<i32>(recent + (<usize>i << 2), load<i32>(recent + (<usize>(i - 1) << 2)));
  }
  store<i32>(recent, shift);
}

function indexOf(shift: i32): u32 {
  let i: u32 = 0;
  while (i < recentCount && load<i32>(recent + (<usize>i << 2)) !== shift) i++;
  return i;
}

/** Codes all blocks; applying checks that they ascend, lie inside the files and cross no hole. */
export function codeControl(isWordy: bool, newSize: u32, oldSize: u32): void {
  const count = codeNumber(blockCount, COUNT, 0, 0, 0);
  if (count > MAX_BLOCKS) fail(Fault.BAD_FORMAT, count);
  if (!encoding) setBlocks(alloc(<usize>count * BLOCK_BYTES), count);
  recent = alloc(<usize>RECENT << 2);
  recentCount = 0;
  let end: u32 = 0;
  let gapClass: u32 = 0;
  let lengthClass: u32 = 0;
  let index1: u32 = 0;
  let index2: u32 = 0;
  const newEnd = cutHoles(newSize);
  for (let i: u32 = 0; i < count; i++) {
    const block = blockAt(i);
    let at = encoding ? cutHoles(block.fresh) : 0;
    const gap = codeNumber(
      at - end,
      GAP,
      gapClass | (index1 << 8),
      lengthClass,
      isWordy ? end & 3 : gapClass * 32 + lengthClass,
    );
    if (gap > newEnd - end) fail(Fault.BAD_FORMAT, i);
    at = end + gap;
    const phase = isWordy ? at & 3 : 0;
    let shift = encoding ? <i32>(block.old - at) : 0;
    let index = encoding ? indexOf(shift) : 0;
    const told = codeNumber(
      index < recentCount ? index + 1 : 0,
      SHIFT_INDEX,
      min(bits(gap), 7) | (phase << 4),
      index1 | (index2 << 3),
      lengthClass,
    );
    if (told > recentCount) fail(Fault.BAD_FORMAT, i);
    if (told === 0) {
      const last = recentCount > 0 ? load<i32>(recent) : 0;
      const turn = isWordy ? ((at + <u32>last) & 3) + 1 : 0;
      shift = last + codeSigned(shift - last, SHIFT, turn, min(bits(gap), 7), index1);
      index = recentCount;
    } else {
      index = told - 1;
      shift = load<i32>(recent + (<usize>index << 2));
    }
    remember(shift, index);
    index2 = index1;
    index1 = min(told, 3);
    const old = at + <u32>shift;
    const length = codeNumber(
      block.length,
      LENGTH,
      index1 | (phase << 4),
      bits(gap) | (index1 << 8),
      lengthClass,
    );
    if (length === 0 || length > newEnd - at) fail(Fault.BAD_FORMAT, i);
    if (old > oldSize || length > oldSize - old) fail(Fault.BAD_FORMAT, i);
    if (!encoding) {
      block.fresh = uncutHoles(at);
      block.old = old;
      block.length = length;
      if (holeBefore(block.fresh, block.fresh + length)) fail(Fault.BAD_FORMAT, i);
    }
    gapClass = min(bits(gap), 15);
    lengthClass = min(bits(length), 20);
    end = at + length;
  }
}
