// Linear memory as one growing stack: what a session allocates is dropped by `release`, all at once.

const PAGE_SHIFT: usize = 16;

let top: usize = 0;

/** `bytes` of zeroed memory, aligned to 16. */
export function alloc(bytes: usize): usize {
  if (top === 0) top = (__heap_base + 15) & ~(<usize>15);
  const start = top;
  top = (start + bytes + 15) & ~(<usize>15);
  const needed = <i32>((top + 0xffff) >> PAGE_SHIFT) - memory.size();
  // Growing is slow: by an eighth at least, unless there is not that much.
  const step = max(needed, memory.size() >> 3);
  if (needed > 0 && memory.grow(step) < 0 && memory.grow(needed) < 0) {
    top = start;
    fail(Fault.MEMORY, <u32>bytes);
  }
  memory.fill(start, 0, top - start);
  return start;
}

/** As memory.copy for ranges that don't overlap, without its call of the host: quicker below some 100 bytes. */
@inline
export function copyFew(to: usize, from: usize, bytes: u32): void {
  if (bytes < 8) {
    for (let i: usize = 0; i < <usize>bytes; i++) store<u8>(to + i, load<u8>(from + i));
    return;
  }
  const last = <usize>bytes - 8;
  for (let i: usize = 0; i < last; i += 8) store<u64>(to + i, load<u64>(from + i));
  store<u64>(to + last, load<u64>(from + last));
}

/** Where the next allocation will be; for {@link release}. */
export function mark(): usize {
  return alloc(0);
}

/** Drops everything since `to` was marked but `bytes` bytes at `from`, which move there. */
export function releaseBut(to: usize, from: usize, bytes: usize): void {
  memory.copy(to, from, bytes);
  top = (to + bytes + 15) & ~(<usize>15);
}

/** Drops everything that was allocated since `to` was marked. */
export function release(to: usize): void {
  top = to;
}

import { fail, Fault } from './fail';
