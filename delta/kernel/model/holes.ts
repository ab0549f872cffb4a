// Ranges of the new file that blocks do not cover because another model makes them. Control numbers
// count in coordinates without them.

import { alloc } from '../memory';

export const enum HoleKind {
  EH_FRAME = 1,
  EH_FRAME_HDR = 2,
}

/** 20 bytes. */
@unmanaged
export class Hole {
  fresh: u32;
  bytes: u32;
  old: u32;
  oldBytes: u32;
  kind: u32;
}

export const HOLE_BYTES: usize = 20;
export const MAX_HOLES: u32 = 8;

let holes: usize = 0;
export let holeCount: u32 = 0;

export function openHoles(): void {
  holes = alloc(<usize>MAX_HOLES * HOLE_BYTES);
  holeCount = 0;
}

@inline
export function holeAt(index: u32): Hole {
  return changetype<Hole>(holes + <usize>index * HOLE_BYTES);
}

/** Adds a hole that begins at or after the last one's end. */
export function addHole(fresh: u32, bytes: u32, old: u32, oldBytes: u32, kind: u32): void {
  const hole = holeAt(holeCount++);
  hole.fresh = fresh;
  hole.bytes = bytes;
  hole.old = old;
  hole.oldBytes = oldBytes;
  hole.kind = kind;
}

/** True if a hole begins behind new offset `from` and before `end`. */
export function holeBefore(from: u32, end: u32): bool {
  for (let i: u32 = 0; i < holeCount; i++) {
    if (holeAt(i).fresh > from && holeAt(i).fresh < end) return true;
  }
  return false;
}

/** The coordinate of a new offset. */
export function cutHoles(fresh: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < holeCount; i++) {
    const hole = holeAt(i);
    if (hole.fresh < fresh) sum += min(hole.bytes, fresh - hole.fresh);
  }
  return fresh - sum;
}

/** The new offset of a coordinate: the first one that is no part of a hole. */
export function uncutHoles(coordinate: u32): u32 {
  let fresh = coordinate;
  for (let i: u32 = 0; i < holeCount; i++) {
    const hole = holeAt(i);
    if (hole.fresh <= fresh) fresh += hole.bytes;
  }
  return fresh;
}
