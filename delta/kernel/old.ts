// The old bytes of a pair: all sources, one after another, as one space of offsets below 2^31.
// Building holds them in memory (perhaps changed for matching); applying reads them from the host.

import { fail, Fault } from './fail';

@external('host', 'read')
declare function hostRead(offset: u32, to: usize, length: u32): void;

/** Bytes of all sources. */
export let oldSize: u32 = 0;
/** Where they are in memory; 0 when they are read from the host. */
export let oldBase: usize = 0;

export function openOld(size: u32, base: usize): void {
  oldSize = size;
  oldBase = base;
}

/**
 * Where `length` old bytes from `offset` can be read until `buffer` (of at least `length` bytes, the
 * caller's own) is used again. The range must lie within the old bytes.
 */
export function readOld(offset: u32, length: u32, buffer: usize): usize {
  if (offset > oldSize || length > oldSize - offset) fail(Fault.BAD_FORMAT, offset);
  if (oldBase !== 0) return oldBase + offset;
  hostRead(offset, buffer, length);
  return buffer;
}
