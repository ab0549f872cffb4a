// Old bytes that the index leaves out, since an earlier pass has already copied them unchanged: one bit
// for 16 bytes.

import { Block, BLOCK_BYTES } from '../map/block';
import { alloc } from '../memory';
import { equalBytes } from './bytes';
import { fresh, freshLength, old, oldLength } from './inputs';
import { spend } from './tick';

/** Old bytes that one word of {@link droppedWord} stands for. */
export const WORD_SPAN: i32 = 1024;

/** The least equal run that is left out, and how much of its ends stays in. */
const CLEAN_BYTES: i32 = 128;
const HEAD: i32 = 16;
const TAIL: i32 = 24;

let bits: usize = 0;

/** Nothing is dropped. */
export function keepAll(): void {
  bits = alloc(((<usize>oldLength >> 10) + 1) << 3);
}

/** Bit k: the 16 bytes from `place + 16 * k` are dropped; `place` is a multiple of {@link WORD_SPAN}. */
@inline
export function droppedWord(place: i32): u64 {
  return load<u64>(bits + ((<usize>place >> 10) << 3));
}

/** Drops what the blocks' long equal runs cover. Blocks outside the inputs are passed over. */
export function dropCleanRuns(blocks: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const block = changetype<Block>(blocks + <usize>i * BLOCK_BYTES);
    if (!isInside(block)) continue;
    const from = old + block.old;
    const to = fresh + block.fresh;
    const length = <i32>block.length;
    for (let n: i32 = 0; n < length;) {
      const run = equalBytes(from + n, to + n, length - n);
      if (run >= CLEAN_BYTES) drop(<i32>block.old + n + HEAD, <i32>block.old + n + run - TAIL);
      n += run + 1;
    }
    spend(16 + (<u32>length >> 2));
  }
}

function isInside(block: Block): bool {
  return (
    block.old <= <u32>oldLength &&
    block.length <= <u32>oldLength - block.old &&
    block.fresh <= <u32>freshLength &&
    block.length <= <u32>freshLength - block.fresh
  );
}

/** Drops every whole 16 bytes in [from, to). */
function drop(from: i32, to: i32): void {
  let unit = (from + 15) >> 4;
  const end = to >> 4;
  while (unit < end) {
    if ((unit & 7) === 0 && end - unit >= 8) {
      const whole = (end - unit) >> 3;
      memory.fill(bits + (<usize>unit >> 3), 0xff, <usize>whole);
      unit += whole << 3;
    } else {
      const at = bits + (<usize>unit >> 3);
      store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(unit & 7)));
      unit++;
    }
  }
}
