// A run of new instructions, followed against the old ones next to the neighbouring blocks.

import { Cost, countAs } from '../code/cost';
import { oldSize } from '../old';
import { oldByte } from '../scan/pages';
import { NO_NEIGHBOUR, oldByteAt } from './old-view';
import { freshBase, putByte, sectionStart } from './output';
import { codeWord, startWords } from './word-literals';
import { bytesOf, fromUnits, Layout, step, toUnits, useLayout } from './word-units';
import { layoutAt } from './word-places';

/** How far insertions and deletions are followed, and the bytes that have to be the same. */
const REALIGN_REACH: u32 = 64;
const REALIGN_BYTES: u32 = 8;
/** Of an instruction at most; where fewer bytes of the run are left, none is coded. */
export const WORD_BYTES: u32 = 4;

/** Old minus new offset of the instruction that goes on after the previous block, and its misses. */
let afterShift: u32 = 0;
let hasAfter: bool = false;
let afterMisses: u32 = 0;
/** The same of the one that leads to the next block. */
let untilShift: u32 = 0;
let hasUntil: bool = false;
let untilMisses: u32 = 0;

/**
 * Begins the run of new bytes `from` to `end` in code of `layout`; old offset `after` follows the
 * previous block, `until` is where the next one begins. Returns where the first whole instruction begins,
 * perhaps after the end.
 */
export function openWordRun(
  layout: Layout,
  from: u32,
  end: u32,
  after: u32,
  until: u32,
): u32 {
  hasAfter = after !== NO_NEIGHBOUR;
  hasUntil = until !== NO_NEIGHBOUR;
  afterShift = after - from;
  untilShift = until - end;
  afterMisses = untilMisses = 0xff;
  if (layout === Layout.NONE) return end;
  useLayout(layout);
  return startWords(from);
}

/** The layout of the code around a run. */
export function layoutAround(after: u32, until: u32): Layout {
  if (after !== NO_NEIGHBOUR && after > 0) return layoutAt(after - 1);
  return until !== NO_NEIGHBOUR ? layoutAt(until) : Layout.NONE;
}

/** Codes the instruction at `n`, of which {@link WORD_BYTES} bytes lie in the run; returns its bytes. */
export function codeInstruction(n: u32): u32 {
  const after = n + afterShift;
  const a = hasAfter ? oldWordAt(after, n, 0) : 0;
  const u = hasUntil ? oldWordAt(n + untilShift, n, 1) : 0;
  const next = hasAfter ? oldWordAt(after + bytesOf(a), n + bytesOf(a), 0) : 0;
  countAs(Cost.LITERALS, 0);
  const raw = load<u32>(freshBase + <usize>n);
  const word = codeWord(n, raw, a, u, next, afterMisses, untilMisses);
  const bytes = bytesOf(word);
  const made = fromUnits(word, n);
  for (let i: u32 = 0; i < bytes; i++) putByte(n + i, (made >>> (8 * i)) & 255);
  afterMisses = afterMisses * 2 + (a !== word ? 1 : 0);
  untilMisses = untilMisses * 2 + (u !== word ? 1 : 0);
  if (hasAfter) {
    afterShift += bytesOf(a) - bytes;
    if ((afterMisses & 3) === 3) realign(n + bytes);
  }
  return bytes;
}

/** The old instruction at `old` as it would look at new place `n`, through view 0 or 1, as units. */
function oldWordAt(old: u32, n: u32, view: u32): u32 {
  let raw: u32 = 0;
  for (let i: u32 = 0; i < WORD_BYTES; i++) {
    raw |= (oldByteAt(old + i, n + i, view) & 255) << (8 * i);
  }
  return toUnits(raw, n);
}

/** Follows insertions and deletions: looks nearby for the last bytes before `n`. */
function realign(n: u32): void {
  if (n - sectionStart < REALIGN_BYTES) return;
  const after = n + afterShift;
  for (let distance = step; distance <= REALIGN_REACH; distance += step) {
    for (let side: u32 = 0; side < 2; side++) {
      const old = side ? after + distance : after - distance;
      if (old < REALIGN_BYTES || old >= oldSize || !isSameBefore(old, n)) continue;
      afterShift = old - n;
      afterMisses = 1;
      return;
    }
  }
}

function isSameBefore(old: u32, n: u32): bool {
  for (let i: u32 = 1; i <= REALIGN_BYTES; i++) {
    if (oldByte(old - i) !== <u32>load<u8>(freshBase + <usize>(n - i))) return false;
  }
  return true;
}
