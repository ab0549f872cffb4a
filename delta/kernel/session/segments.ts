// Matching for streams of bsdiff (delta/ostree/static-delta). What applies such a stream knows no references, but
// they are looked at to find where code has gone: a field of which each byte differs alike is little in a diff.

import { Block, BLOCK_BYTES } from '../map/block';
import { alloc, release } from '../memory';
import { alignBlocks, alignedBlocks } from './align';
import { parsePair } from './pair';
import { openSources, setSource } from './sources';

/** A second one made a distribution's upgrade less than 0.1 % smaller. */
const LATER_PASSES: u32 = 1;

/** Before and after both files, so that reads of whole words near the ends stay in memory. */
const MARGIN: u32 = 64;

let oldBytes: usize = 0;
let oldLength: u32 = 0;
let newBytes: usize = 0;
let newLength: u32 = 0;

/** Begins a pair of these sizes, each below 2^30; the host then writes the bytes. */
export function openSegments(oldSize: u32, newSize: u32): void {
  release(0);
  openSources(1);
  setSource(0, 0, oldSize);
  oldLength = oldSize;
  newLength = newSize;
  oldBytes = alloc(<usize>(oldSize + 2 * MARGIN)) + MARGIN;
  newBytes = alloc(<usize>(newSize + 2 * MARGIN)) + MARGIN;
}

/** Where the host writes the old bytes. */
export function segmentsOld(): usize {
  return oldBytes;
}

/** Where the host writes the new bytes. */
export function segmentsNew(): usize {
  return newBytes;
}

/** Finds the blocks; returns how many. They are at {@link segmentsFound}. */
export function findSegments(): u32 {
  const image = parsePair(oldBytes, oldLength, newBytes, newLength);
  const count = alignBlocks(oldBytes, oldLength, newBytes, newLength, image, LATER_PASSES);
  for (let i: u32 = 0; i <= count; i++) fillGap(i, count);
  return count;
}

/** Blocks that ascend by new place: u32 new place, old place, length. */
export function segmentsFound(): usize {
  return alignedBlocks;
}

/**
 * Before block `index`: makes the block before it and this one longer as long as more than half of the
 * bytes agree (Percival, "Naive differences of executable code", 2003). A difference in a diff takes the
 * compressor less than a byte that comes from nowhere.
 */
function fillGap(index: u32, count: u32): void {
  const left = index > 0 ? blockAt(index - 1) : changetype<Block>(0);
  const right = index < count ? blockAt(index) : changetype<Block>(0);
  const from = index > 0 ? left.fresh + left.length : 0;
  const gap = (index < count ? right.fresh : newLength) - from;
  if (gap === 0) return;
  let ahead: u32 = 0;
  let back: u32 = 0;
  if (index > 0) {
    const old = left.old + left.length;
    ahead = agreeing(oldBytes + old, newBytes + from, 1, min(gap, oldLength - old));
  }
  if (index < count) {
    const last = newBytes + right.fresh - 1;
    back = agreeing(oldBytes + right.old - 1, last, -1, min(gap, right.old));
  }
  if (ahead + back > gap) {
    const both = ahead + back - gap;
    const start = ahead - both;
    const kept = bestCut(
      oldBytes + left.old + left.length + start,
      oldBytes + right.old - back,
      newBytes + from + start,
      both,
    );
    ahead = start + kept;
    back -= kept;
  }
  if (index > 0) left.length += ahead;
  if (index < count) {
    right.fresh -= back;
    right.old -= back;
    right.length += back;
  }
}

/** How many bytes from there on, in that direction, are best taken as agreeing. */
function agreeing(old: usize, fresh: usize, step: isize, most: u32): u32 {
  let best: i32 = 0;
  let score: i32 = 0;
  let length: u32 = 0;
  for (let i: u32 = 0; i < most; i++) {
    score += load<u8>(old) === load<u8>(fresh) ? 1 : -1;
    old += step;
    fresh += step;
    if (score <= best) continue;
    best = score;
    length = i + 1;
  }
  return length;
}

/** How many of `most` bytes the left block keeps, where both want them. */
function bestCut(left: usize, right: usize, fresh: usize, most: u32): u32 {
  let best: i32 = 0;
  let score: i32 = 0;
  let length: u32 = 0;
  for (let i: u32 = 0; i < most; i++) {
    const byte = load<u8>(fresh + i);
    score += <i32>(load<u8>(left + i) === byte) - <i32>(load<u8>(right + i) === byte);
    if (score <= best) continue;
    best = score;
    length = i + 1;
  }
  return length;
}

@inline
function blockAt(index: u32): Block {
  return changetype<Block>(alignedBlocks + <usize>index * BLOCK_BYTES);
}
