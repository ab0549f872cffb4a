// The blocks found so far, and the shifts (old place - new place) of the latest ones.

import { Block, BLOCK_BYTES } from '../map/block';
import { alloc, releaseBut } from '../memory';
import { alignBorders } from './borders';

/** Blocks that one allocation holds: a multiple of 16 bytes, so that allocations follow each other. */
const CHUNK: u32 = 1024;
const MAX_RECENT: u32 = 24;

/** No shift: bytes that are not copied. */
export const LITERAL: i32 = i32.MIN_VALUE;

/** The latest shifts, the last used first. */
export const recent: usize = memory.data(96, 16);
export let recentCount: u32 = 0;

let blocks: usize = 0;
let count: u32 = 0;
let room: u32 = 0;
let maxCount: u32 = 0;
/** Blocks shorter than this are not worth their memory. */
let leastBytes: u32 = 0;

/** Begins a list at the top of memory, where nothing else may be allocated until it is closed. */
export function openFound(max: u32): void {
  blocks = alloc(0);
  count = 0;
  room = 0;
  maxCount = max;
  leastBytes = 1;
  recentCount = 0;
}

/** The last block's shift, 0 if there is none. */
export function lastShift(): i32 {
  if (count === 0) return 0;
  const last = blockAt(count - 1);
  return <i32>(last.old - last.fresh);
}

/** Adds new bytes [from, to) copied with `shift`, or joins them to the last block. */
export function addBlock(shift: i32, from: i32, to: i32): void {
  if (shift === LITERAL || to <= from) return;
  const length = <u32>(to - from);
  if (count > 0) {
    const last = blockAt(count - 1);
    if (last.fresh + last.length === <u32>from && <i32>(last.old - last.fresh) === shift) {
      last.length += length;
      return;
    }
  }
  if (count === maxCount) thin();
  if (count === room) {
    alloc(<usize>CHUNK * BLOCK_BYTES);
    room += CHUNK;
  }
  const block = blockAt(count);
  block.fresh = <u32>from;
  block.old = <u32>(from + shift);
  block.length = length;
  count++;
  use(shift);
}

/** True if the shift is one of the latest. */
export function isRecent(shift: i32): bool {
  for (let i: u32 = 0; i < recentCount; i++) {
    if (load<i32>(recent + (<usize>i << 2)) === shift) return true;
  }
  return false;
}

/**
 * Releases all memory from `to` on but for the blocks of at least `bytes` bytes, which move there.
 * @returns how many they are
 */
export function closeFound(to: usize, bytes: u32): u32 {
  dropBelow(bytes);
  count = alignBorders(blocks, count);
  releaseBut(to, blocks, <usize>count * BLOCK_BYTES);
  return count;
}

@inline
function blockAt(index: u32): Block {
  return changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
}

/** Makes room: drops the shortest blocks, until at least half are gone. */
function thin(): void {
  while (count > maxCount >> 1) {
    leastBytes <<= 1;
    dropBelow(leastBytes);
  }
}

function dropBelow(bytes: u32): void {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const block = blockAt(i);
    if (block.length < bytes) continue;
    memory.copy(changetype<usize>(blockAt(kept)), changetype<usize>(block), BLOCK_BYTES);
    kept++;
  }
  count = kept;
}

/** Moves the shift to the front. */
function use(shift: i32): void {
  let i: u32 = 0;
  while (i < recentCount && load<i32>(recent + (<usize>i << 2)) !== shift) i++;
  if (i === recentCount) {
    if (recentCount < MAX_RECENT) recentCount++;
    else i--;
  }
  memory.copy(recent + 4, recent, <usize>i << 2);
  store<i32>(recent, shift);
}
