import { Block, BLOCK_BYTES } from './block';

/** Makes a heap of blocks: the one with the least old offset, then the least new one, comes first. */
export function heapByOld(blocks: usize, count: u32): void {
  for (let start = count >>> 1; start > 0; start--) sinkByOld(blocks, start - 1, count);
}

/** Puts block `from` of a heap in its place. */
export function sinkByOld(blocks: usize, from: u32, count: u32): void {
  let parent = from;
  for (;;) {
    let child = parent * 2 + 1;
    if (child >= count) return;
    if (child + 1 < count && isBefore(blocks, child + 1, child)) child++;
    if (!isBefore(blocks, child, parent)) return;
    swap(blocks, parent, child);
    parent = child;
  }
}

@inline
function at(blocks: usize, index: u32): Block {
  return changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
}

function isBefore(blocks: usize, a: u32, b: u32): bool {
  const x = at(blocks, a);
  const y = at(blocks, b);
  return x.old < y.old || (x.old === y.old && x.fresh < y.fresh);
}

function swap(blocks: usize, a: u32, b: u32): void {
  const x = at(blocks, a);
  const y = at(blocks, b);
  const old = x.old;
  const fresh = x.fresh;
  const length = x.length;
  x.old = y.old;
  x.fresh = y.fresh;
  x.length = y.length;
  y.old = old;
  y.fresh = fresh;
  y.length = length;
}
