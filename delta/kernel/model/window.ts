// What is predicted for the 32 bytes of a block being coded, with 32 bytes on either side.

import { alloc } from '../memory';

/** Bytes coded at a time. */
export const CHUNK: u32 = 32;
const BYTES: usize = 3 * 32;

/** The predicted byte; outside of references the old one. Index {@link CHUNK} is the chunk's first. */
export let predicted: usize = 0;
/** What the runner-up of a reference's targets gives. */
export let other: usize = 0;
/** Kind of reference * 8 + byte of the field; 0 outside. */
export let kinds: usize = 0;
/** Confidence of the reference's target. */
export let sureness: usize = 0;
/** Sum of the miss rates of the references that begin in the chunk, in 1/65536. */
export let risk: u32 = 0;

export function setRisk(sum: u32): void {
  risk = sum;
}

export function openWindow(): void {
  const base = alloc(BYTES * 4);
  predicted = base;
  other = base + BYTES;
  kinds = base + BYTES * 2;
  sureness = base + BYTES * 3;
}

export function clearWindow(): void {
  memory.fill(predicted, 0, BYTES * 4);
}

/** The chunk had `bytes` bytes; the next comes to index {@link CHUNK}, unknown bytes are empty. */
export function slideWindow(bytes: u32): void {
  for (let array: usize = 0; array < 4; array++) {
    const base = predicted + array * BYTES;
    if (bytes === CHUNK) {
      slideChunk(base);
      continue;
    }
    memory.copy(base, base + <usize>bytes, BYTES - <usize>bytes);
    memory.fill(base + BYTES - <usize>bytes, 0, <usize>bytes);
  }
}

/** Two thirds of an array come one third nearer; the last third is empty. */
@inline
function slideChunk(base: usize): void {
  v128.store(base, v128.load(base, 32));
  v128.store(base, v128.load(base, 48), 16);
  v128.store(base, v128.load(base, 64), 32);
  v128.store(base, v128.load(base, 80), 48);
  v128.store(base, i8x16.splat(0), 64);
  v128.store(base, i8x16.splat(0), 80);
}
