// Where old bytes and old addresses go: by the blocks, and between blocks by the nearest one.

import { addressOf, Image, NO_PLACE, offsetOf } from '../elf/image';
import { imageOfAddress } from '../elf/images';
import { alloc, release } from '../memory';
import { Block, BLOCK_BYTES } from './block';
import { heapByOld, sinkByOld } from './heap';

/** Blocks by old offset, without overlaps there. */
let entries: usize = 0;
let entryCount: u32 = 0;
/** Blocks that wait for their turn, the least old offset first. */
let heap: usize = 0;
/** Entries that {@link makeRoom} left. */
let keptBefore: u32 = 0;
/** Blocks cut in front, for each block. */
const MAX_AGAIN: u32 = 4;
/** For each 4 KiB of old offsets the last entry that begins at or before its start, or 0. */
let regions: usize = 0;
let regionCount: u32 = 0;
const REGION_SHIFT: u32 = 12;

let fresh: Image = changetype<Image>(0);

/** The address last asked for, which often is asked for again, and what {@link mapAddress} answered. */
let asked: u32 = NO_PLACE;
let answer: u32 = NO_PLACE;

/** How unsure {@link locate}'s answer is: 0 deep inside a block to 4 at its edge, 5 and 6 between blocks, 7 before all of them, 8 no bytes in the file, 9 nowhere. */
export let mapTrust: u32 = 0;

/** Builds the map of blocks that ascend by `fresh`; `image` is the new file. */
export function openMap(blocks: usize, count: u32, image: Image): void {
  fresh = image;
  entries = alloc(<usize>count * BLOCK_BYTES);
  heap = alloc(<usize>count * BLOCK_BYTES);
  memory.copy(heap, blocks, <usize>count * BLOCK_BYTES);
  heapByOld(heap, count);
  entryCount = resolveOverlaps(count);
  release(heap);
  asked = answer = NO_PLACE;
  mapTrust = 9;
  openRegions();
}

function openRegions(): void {
  const end = entryCount === 0 ? 0 : entry(entryCount - 1).old;
  regionCount = (end >>> REGION_SHIFT) + 2;
  regions = alloc(<usize>regionCount << 2);
  let index: u32 = 0;
  for (let region: u32 = 0; region < regionCount; region++) {
    const start = <u64>region << REGION_SHIFT;
    while (index + 1 < entryCount && <u64>entry(index + 1).old <= start) index++;
    store<u32>(regions + (<usize>region << 2), index);
  }
}

@inline
function entry(index: u32): Block {
  return changetype<Block>(entries + <usize>index * BLOCK_BYTES);
}

/**
 * Of two blocks with the same old bytes the longer keeps them; a block that loses its first bytes comes
 * again in the order of the rest, which may happen so often in all.
 *
 * @returns the number of blocks left
 */
function resolveOverlaps(count: u32): u32 {
  let kept: u32 = 0;
  let waiting = count;
  let again: u32 = MAX_AGAIN * count;
  while (waiting > 0) {
    const block = changetype<Block>(heap);
    if (!makeRoom(block, kept)) {
      const before = entry(kept - 1);
      const cut = before.old + before.length - block.old;
      if (cut < block.length && again > 0) {
        again--;
        block.old += cut;
        block.fresh += cut;
        block.length -= cut;
      } else {
        waiting--;
        memory.copy(heap, heap + <usize>waiting * BLOCK_BYTES, BLOCK_BYTES);
      }
      sinkByOld(heap, 0, waiting);
      continue;
    }
    kept = keptBefore;
    memory.copy(entries + <usize>kept * BLOCK_BYTES, heap, BLOCK_BYTES);
    kept++;
    waiting--;
    memory.copy(heap, heap + <usize>waiting * BLOCK_BYTES, BLOCK_BYTES);
    sinkByOld(heap, 0, waiting);
  }
  return kept;
}

/** Cuts the last entry, the only one that can reach into the block, if it is shorter; false if not. */
function makeRoom(block: Block, kept: u32): bool {
  keptBefore = kept;
  if (kept === 0) return true;
  const before = entry(kept - 1);
  if (before.old + before.length <= block.old) return true;
  if (before.length >= block.length) return false;
  before.length = block.old - before.old;
  if (before.length === 0) keptBefore--;
  return true;
}

/** The last entry that begins at or before `old`; entryCount when there is none. */
@inline
function find(old: u32): u32 {
  if (entryCount === 0 || old < entry(0).old) return entryCount;
  const region = regions + (<usize>min(old >>> REGION_SHIFT, regionCount - 2) << 2);
  let low = load<u32>(region);
  const high = old >>> REGION_SHIFT >= regionCount - 1 ? entryCount - 1 : load<u32>(region, 4);
  // Without branches on what lies where: none of them could be foretold.
  for (let count = high - low + 1; count > 1;) {
    const half = count >>> 1;
    low += half * <u32>(entry(low + half).old <= old);
    count -= half;
  }
  return low;
}

/** The new offset of an old one. */
@inline
export function mapOffset(old: u32): u32 {
  return offsetAt(find(old), old);
}

/** The new offset of `old`, for which {@link find} gave `i`. */
@inline
function offsetAt(i: u32, old: u32): u32 {
  if (i === entryCount) return entryCount === 0 ? old : entry(0).fresh - (entry(0).old - old);
  const block = entry(i);
  const inside = old - block.old;
  if (inside >= block.length && i + 1 < entryCount) {
    const next = entry(i + 1);
    if (next.old - old < inside - block.length) return next.fresh - (next.old - old);
  }
  return block.fresh + inside;
}

@inline
function trustAt(i: u32, old: u32): u32 {
  if (i === entryCount) return 7;
  const block = entry(i);
  const inside = old - block.old;
  if (inside >= block.length) return inside - block.length < 16 ? 5 : 6;
  const edge = min(inside, block.length - inside);
  // Without branches: none of them could be foretold.
  return <u32>(edge < 4) + <u32>(edge < 16) + <u32>(edge < 64) + <u32>(edge < 512);
}

/** The new address of an old one; sets {@link mapTrust}. Addresses without a place stay as they are. */
@inline
export function mapAddress(address: u32): u32 {
  if (address !== asked) {
    answer = newAddress(address);
    asked = address;
  }
  return answer;
}

function newAddress(address: u32): u32 {
  mapTrust = 9;
  const image = imageOfAddress(address);
  if (image === null) return address;
  const old = offsetOf(image, address);
  if (old === NO_PLACE) return addressPast(image, address);
  const i = find(old);
  mapTrust = trustAt(i, old);
  const place = offsetAt(i, old);
  const found = addressOf(fresh, place);
  return found === NO_PLACE ? addressNear(place, address) : found;
}

/** Of an address past the bytes that its segment has in the file: as far past the last of those. */
function addressPast(image: Image, address: u32): u32 {
  let last: u32 = NO_PLACE;
  let past: u32 = 0;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (address - s.address >= s.memoryBytes || s.fileBytes === 0) continue;
    last = s.offset + s.fileBytes - 1;
    past = address - (s.address + s.fileBytes - 1);
  }
  if (last === NO_PLACE) return address;
  mapTrust = 8;
  const place = mapOffset(last);
  const found = addressOf(fresh, place);
  return found === NO_PLACE ? addressNear(place, address - past) + past : found + past;
}

/** Of a new offset that is not loaded: as if the segment went on; else `otherwise`. */
function addressNear(place: u32, otherwise: u32): u32 {
  for (let i: u32 = 0; i < fresh.segmentCount; i++) {
    const s = fresh.segment(i);
    if (place - s.offset < s.fileBytes + 4096) return s.address + (place - s.offset);
  }
  return otherwise;
}
