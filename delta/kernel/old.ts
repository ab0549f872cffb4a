// The old bytes of a pair: all sources, one after another, as one space of offsets below 2^31.
// Building holds them in memory (perhaps changed for matching); applying reads them from the host.

import { fail, Fault } from './fail';

@external('host', 'read')
declare function hostRead(offset: u32, to: usize, length: u32): void;

/** Bytes of all sources. */
export let oldSize: u32 = 0;
/** Where they are in memory; 0 when they are read from the host. */
export let oldBase: usize = 0;

/** Bytes that are in memory already: where, and how many from which offset. */
let held: usize = 0;
let heldFrom: u32 = 0;
let heldBytes: u32 = 0;

export function openOld(size: u32, base: usize): void {
  oldSize = size;
  oldBase = base;
  holdOld(0, 0, 0);
}

/** `length` old bytes from `offset` stay at `place` until this is called again. */
export function holdOld(offset: u32, length: u32, place: usize): void {
  held = place;
  heldFrom = offset;
  heldBytes = length;
}

/**
 * Where `length` old bytes from `offset` can be read until `buffer` (of at least `length` bytes, the
 * caller's own) is used again. The range must lie within the old bytes.
 */
export function readOld(offset: u32, length: u32, buffer: usize): usize {
  if (offset > oldSize || length > oldSize - offset) fail(Fault.BAD_FORMAT, offset);
  if (oldBase !== 0) return oldBase + offset;
  const inside = offset - heldFrom;
  if (inside < heldBytes && length <= heldBytes - inside) return held + inside;
  hostRead(offset, buffer, length);
  return buffer;
}
