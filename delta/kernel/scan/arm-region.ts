// The bytes that the Arm scanners look at: some pages of one section. Pages and alignment are those of
// addresses, so the same code is scanned alike wherever its file lies among the sources.

import { Image } from '../elf/image';

export let image: Image = changetype<Image>(0);
/** The region in memory: first byte, and first after the last. */
export let begin: usize = 0;
export let end: usize = 0;
/** Address and offset of the first byte. */
let address: u32 = 0;
let offset: u32 = 0;

/** The region is `length` bytes of an image, now at `bytes`. */
export function setRegion(
  owner: Image,
  bytes: usize,
  length: u32,
  firstAddress: u32,
  firstOffset: u32,
): void {
  image = owner;
  begin = bytes;
  end = bytes + <usize>length;
  address = firstAddress;
  offset = firstOffset;
}

@inline
export function addressAt(at: usize): u32 {
  return address + <u32>(at - begin);
}

@inline
export function offsetAt(at: usize): u32 {
  return offset + <u32>(at - begin);
}

/** The region's byte at an address, or the region's begin or end if it is outside. */
export function bytesAt(place: u32): usize {
  const distance = <i32>(place - address);
  if (distance < 0) return begin;
  return <usize>distance < end - begin ? begin + <usize>distance : end;
}

/** `at` or the first byte after it whose address is a multiple of `unit`, a power of 2. */
@inline
export function aligned(at: usize, unit: u32): usize {
  return at + <usize>(-addressAt(at) & (unit - 1));
}

/** Bytes of the region from `at` on. */
@inline
export function left(at: usize): usize {
  return at < end ? end - at : 0;
}
