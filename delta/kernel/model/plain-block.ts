// The middle of a block, applied in the fast profile: its old bytes go into the output as they are,
// predictions are written over them there, and differences added in place. No window is needed, and
// stretches without references are passed over at once. What is made is the same, chunk by chunk.

import { encoding } from '../code/arith';
import { isPlain } from '../code/plain';
import { oldPage } from '../scan/pages';
import { learnFields, pendingCount, predictFieldsInPlace, quietUntil } from './fields-ahead';
import { freshBase } from './output';
import { addDifferences } from './plain-residual';
import { CHUNK } from './window';

/** The widest field, and to spare: so far beyond a chunk its predictions may reach. */
const OVERHANG: u32 = 16;
/** Less is not worth it. */
const LEAST_BYTES: u32 = 4 * CHUNK;

/** Bytes of the block that are in the output: old, predicted or made. */
let copied: u32 = 0;

/** True if bytes `from` to `to` of a block can be made here. */
export function canGoInPlace(from: u32, to: u32): bool {
  return isPlain && !encoding && to > from && to - from >= LEAST_BYTES;
}

/** The block's bytes from `done` to `known` are at `bytes`, predictions and all; `fresh` is its first. */
export function enterInPlace(fresh: u32, done: u32, known: u32, bytes: usize): void {
  memory.copy(freshBase + <usize>(fresh + done), bytes, <usize>(known - done));
  copied = known;
}

/** The other way: fills `bytes` with what is known from `done` on, at most `most`; returns how much. */
export function leaveInPlace(fresh: u32, done: u32, bytes: usize, most: u32): u32 {
  const known = min(copied - done, most);
  memory.copy(bytes, freshBase + <usize>(fresh + done), known);
  return known;
}

/**
 * Makes bytes of the block (new `fresh`, old `old`, `length` bytes) from `done` on, whole chunks until
 * `stop` or a little more; returns how many are done.
 */
export function goOnInPlace(fresh: u32, old: u32, length: u32, done: u32, stop: u32): u32 {
  let at = done;
  while (at < stop) {
    const to = endOfStretch(fresh, old, length, at, stop);
    copyOld(fresh, old, length, to);
    predictFieldsInPlace(fresh, old, length, at, to);
    addDifferences(fresh + at, to - at);
    learnFields(to);
    at = to;
  }
  return at;
}

/** The end of the chunk at `at`, or of the last before `stop` of chunks in which nothing is predicted. */
@inline
function endOfStretch(fresh: u32, old: u32, length: u32, at: u32, stop: u32): u32 {
  const to = at + CHUNK - ((fresh + at) & 3);
  if (to >= length) return length;
  if (pendingCount > 0) return to;
  const quiet = min(quietUntil() - old, stop);
  return quiet > to ? to + ((quiet - to) & ~(CHUNK - 1)) : to;
}

/** Copies old bytes up to `to` and beyond, by pages. */
@inline
function copyOld(fresh: u32, old: u32, length: u32, to: u32): void {
  const needed = min(to + OVERHANG, length);
  while (copied < needed) {
    const at = old + copied;
    const inside = at & 4095;
    const bytes = min(length - copied, 4096 - inside);
    const from = oldPage(at >>> 12).bytes + <usize>inside;
    memory.copy(freshBase + <usize>(fresh + copied), from, bytes);
    copied += bytes;
  }
}
