// A section of the new file: about 4 MiB that are coded without knowledge of the others, so that
// applying can begin at any of them.

import { encoding } from '../code/arith';
import { Machine } from '../elf/image';
import { resetTargets } from '../learn/targets';
import { openBlock, continueBlock } from './block';
import { blockAt, blockCount } from './control';
import { continueHole, openHole, resetHoleUnits } from './hole-units';
import { HoleKind, holeAt, holeCount } from './holes';
import { continueRun, openRun, resetLiterals } from './literals';
import { NO_NEIGHBOUR } from './old-view';
import { primeLiterals } from './prime';
import { resetResidual } from './residual';
import { resetShortFields } from './shorts-ahead';

export const SECTION_BYTES: u32 = 4 << 20;

const enum Unit {
  BLOCK = 0,
  LITERALS = 1,
  HOLE = 2,
}

/** First new byte after the section. */
let end: u32 = 0;
let at: u32 = 0;
let unit: Unit = Unit.BLOCK;
/** Where the unit begins, and where it ends in this section. */
let unitStart: u32 = 0;
let unitEnd: u32 = 0;
/** The first block that ends after `at`. */
let next: u32 = 0;

/** Where the section that begins at `from` ends: about 4 MiB on, but never inside a run of holes. */
export function endOfSection(from: u32, newSize: u32): u32 {
  if (newSize - from <= SECTION_BYTES) return newSize;
  let end = from + SECTION_BYTES;
  for (let i: u32 = 0; i < holeCount; i++) {
    const start = startOfRun(i);
    const hole = holeAt(i);
    if (start >= end || hole.fresh + hole.bytes <= end) continue;
    end = start > from ? start : hole.fresh + hole.bytes;
  }
  return end;
}

/** Where the run of holes that hole `i` belongs to begins: a table is made with what it is made of. */
function startOfRun(i: u32): u32 {
  const isAfterTable = i > 0 && holeAt(i - 1).kind === HoleKind.EH_FRAME_HDR;
  return isAfterTable ? holeAt(i - 1).fresh : holeAt(i).fresh;
}

/** Begins the section from `from` to `to`: all models forget what they learned. */
export function openSectionModels(from: u32, to: u32): void {
  at = from;
  end = to;
  next = firstBlockAfter(from);
  unitEnd = from;
  resetHoleUnits();
  resetTargets();
  resetResidual();
  resetShortFields();
  resetLiterals();
  primeLiterals(countLiterals(from, to));
}

/** New bytes of the section that neither blocks nor holes cover. */
function countLiterals(from: u32, to: u32): u32 {
  let count = to - from;
  for (let i = next; i < blockCount && blockAt(i).fresh < to; i++) {
    const block = blockAt(i);
    count -= min(block.fresh + block.length, to) - max(block.fresh, from);
  }
  for (let i: u32 = 0; i < holeCount; i++) {
    const hole = holeAt(i);
    if (hole.fresh >= from && hole.fresh < to) count -= hole.bytes;
  }
  return count;
}

/** The first block that ends after new offset `from`. */
function firstBlockAfter(from: u32): u32 {
  let low: u32 = 0;
  let high = blockCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const block = blockAt(middle);
    if (block.fresh + block.length > from) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Codes on, up to about `limit`; returns where it stands. */
export function continueSection(limit: u32): u32 {
  const stop = min(limit, end);
  while (at < stop) {
    if (at === unitEnd) openUnit();
    if (unit === Unit.BLOCK) at = unitStart + continueBlock(stop - unitStart);
    else if (unit === Unit.LITERALS) at = continueRun(stop);
    else at = continueHole(stop);
  }
  return at;
}

/** The first hole that ends after `at`. */
function nextHole(): u32 {
  let i: u32 = 0;
  while (i < holeCount && holeAt(i).fresh + holeAt(i).bytes <= at) i++;
  return i;
}

function openUnit(): void {
  unitStart = at;
  const hole = nextHole();
  if (hole < holeCount && holeAt(hole).fresh === at) {
    unit = Unit.HOLE;
    unitEnd = at + holeAt(hole).bytes;
    openHole(hole);
    return;
  }
  const bound = hole < holeCount ? min(holeAt(hole).fresh, end) : end;
  while (next < blockCount && blockAt(next).fresh + blockAt(next).length <= at) next++;
  if (next < blockCount && blockAt(next).fresh <= at) {
    const block = blockAt(next);
    const skip = at - block.fresh;
    unit = Unit.BLOCK;
    unitEnd = min(block.fresh + block.length, bound);
    openBlock(block, skip, unitEnd - at);
    return;
  }
  unit = Unit.LITERALS;
  const isLast = next === blockCount;
  unitEnd = isLast ? bound : min(blockAt(next).fresh, bound);
  let after = NO_NEIGHBOUR;
  if (next > 0) {
    const before = blockAt(next - 1);
    after = before.old + (at - before.fresh);
  }
  let until = NO_NEIGHBOUR;
  if (!isLast) until = blockAt(next).old - (blockAt(next).fresh - unitEnd);
  openRun(at, unitEnd, after, until);
}
