// The price of the cheapest path to each of the latest places of a zone, and the node it ends in.

import { alloc } from '../memory';

/** How far back one may look; a power of two. */
export const HISTORY: i32 = 8192;

let ring: usize = 0;

export function openHistory(): void {
  ring = alloc(<usize>HISTORY << 3);
}

@inline
export function remember(place: i32, cost: i32, node: i32): void {
  store<u64>(slot(place), ((<u64>node) << 32) | <u64>(<u32>cost));
}

@inline
export function costAt(place: i32): i32 {
  return load<i32>(slot(place));
}

@inline
export function nodeAt(place: i32): i32 {
  return load<i32>(slot(place), 4);
}

@inline
function slot(place: i32): usize {
  return ring + (<usize>(place & (HISTORY - 1)) << 3);
}
