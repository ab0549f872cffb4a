// Instructions of four bytes in a block's chunk that differs: a flag for each, and the new one where the
// predicted one is wrong.

import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { alloc } from '../memory';
import { bits } from './classes';
import { freshBase, putByte, sectionStart } from './output';
import { CHUNK, kinds, other, predicted, sureness } from './window';
import {
  codeFields,
  lastChange,
  lastPredicted,
  openWordFields,
  renamedTo,
  resetWordFields,
} from './word-fields';
import { layoutAt } from './word-places';
import * as units from './word-units';
import { fromUnits, Layout, operandOf, operationOf, resultOf, toUnits, useLayout } from './word-units';

const WORD: u32 = 4;
const SEEN_BITS: u32 = 12;
const SEEN_ENTRY: usize = 8;

let flags: Mixer = changetype<Mixer>(0);
/** By hash of the predicted instruction: it, and what was new the last time. */
let seen: usize = 0;
/** By predicted operation: a bit for each of the last ones, the latest lowest: 1 if it was wrong. */
let outcomes: usize = 0;
let history: u32 = 0;
/** Instructions of blocks so far, and where the last wrong one was. */
let position: u32 = 0;
let lastDifference: u32 = 0;
let gap1: u32 = 0;
let gap2: u32 = 0;

export function openWordResidual(): void {
  flags = newMixer(20, 16, 256, 512, 256, 128, 4, 1024, 100);
  seen = alloc(SEEN_ENTRY << SEEN_BITS);
  outcomes = alloc(units.OPERATIONS);
  openWordFields();
}

export function resetWordResidual(): void {
  flags.reset();
  memory.fill(seen, 0, SEEN_ENTRY << SEEN_BITS);
  memory.fill(outcomes, 0, units.OPERATIONS);
  history = position = lastDifference = gap1 = gap2 = 0;
  resetWordFields();
}

/** True if old bytes at `old`, new ones at `fresh` are instructions of four bytes, alike aligned. */
export function isWords(fresh: u32, old: u32): bool {
  if (((fresh ^ old) & 3) !== 0) return false;
  const layout = layoutAt(old);
  if (layout !== Layout.A64 && layout !== Layout.A32) return false;
  useLayout(layout);
  return true;
}

/** A chunk with room for so many instructions is as predicted. */
export function skipWords(count: u32): void {
  history = 0;
  position += count;
}

/** The new instruction that ends `back` bytes before `n`, 0 before the section. */
@inline
function newBefore(n: u32, back: u32): u32 {
  return n - sectionStart >= back ? toUnits(load<u32>(freshBase + <usize>(n - back)), n - back) : 0;
}

/** 0: not renamed lately, 1: it was itself, 2: it was another one. */
@inline
function renameState(register: u32): u32 {
  const to = renamedTo(register);
  return to === 0 ? 0 : to - 1 === register ? 1 : 2;
}

/**
 * Codes the instruction at new offset `n`, predicted at byte `index` of the chunk and `from` bytes into
 * its block of `blockLength`, in old section `section`; returns 1 if it was wrong, else 0.
 */
export function codeBlockWord(
  n: u32,
  index: u32,
  from: u32,
  blockLength: u32,
  section: u32,
): u32 {
  const window = <usize>(CHUNK + index);
  const raw = load<u32>(predicted + window);
  const p = toUnits(raw, n);
  const p1 = from >= WORD ? toUnits(load<u32>(predicted + window - WORD), n - WORD) : 0;
  const q1 = toUnits(load<u32>(predicted + window + WORD), n + WORD);
  const o = toUnits(load<u32>(other + window), n);
  const kind = <u32>load<u8>(kinds + window) >>> 3;
  const sure: u32 = kind ? load<u8>(sureness + window) : 0;
  const hasOther: u32 = kind !== 0 && o !== p ? 1 : 0;
  const w1 = newBefore(n, WORD);
  const w2 = newBefore(n, 2 * WORD);
  const operation = operationOf(p);
  const h = history;
  const gap = min(position - lastDifference, 255);
  const gapClass = gap < 16 ? gap : 16 + bits(gap);
  const outcome = outcomes + <usize>operation;
  const past: u32 = load<u8>(outcome);
  const rd = resultOf(p);
  const rn = operandOf(p);
  const memo = seen + <usize>(hash(p, 77) >>> (32 - SEEN_BITS)) * SEEN_ENTRY;
  const before = load<u32>(memo) === p ? load<u32>(memo, 4) : 0;
  const seenState: u32 = before === 0 ? 0 : before === p ? 1 : 2;
  const wasWrong: u32 = from >= WORD && w1 !== p1 ? 1 : 0;
  const x = flags;
  x.setHash(0, hash(1, kind, h & 0xff));
  x.setHash(1, hash(2, gapClass, h & 3, kind));
  x.setHash(2, hash(3, operation, kind, h & 1));
  x.setHash(3, hash(4, p, h & 1));
  x.setHash(4, hash(5, p, p1));
  x.setHash(5, hash(6, operation, operationOf(p1), operationOf(q1)));
  x.setHash(6, hash(7, sure, kind, h & 7));
  x.setHash(7, hash(8, sure | (hasOther << 7), kind, h & 3));
  x.setHash(8, hash(9, seenState, operation, h & 1));
  x.setHash(9, hash(10, renameState(rd), renameState(rn), p >>> units.classShift));
  x.setHash(10, hash(11, min(from >> 2, 7), min((blockLength - from) >> 2, 7), h & 3));
  x.setHash(11, hash(12, w1 ^ p1, operation));
  x.setHash(12, hash(13, gap1, gap2, gapClass));
  x.setHash(13, hash(14, section, gapClass, sure));
  x.setHash(14, hash(15, past, operation));
  x.setHash(15, hash(16, past & 15, kind, h & 15));
  x.setHash(16, hash(17, w1, p));
  x.setHash(17, hash(18, q1, p));
  x.setHash(18, hash(19, operationOf(lastPredicted), operation, gapClass));
  x.setHash(19, hash(20, rd | (rn << 5), lastChange, operationOf(lastPredicted)));
  const word = toUnits(load<u32>(freshBase + <usize>n), n);
  countAs(Cost.FLAGS, section);
  const differs = x.code(
    word !== p ? 1 : 0,
    0,
    (kind << 3) | (h & 7),
    (sure * 8 + (h & 7)) & 511,
    (p >>> units.classShift) & 255,
    gapClass * 4 + hasOther * 2 + wasWrong,
    (h & 1) + (kind ? 2 : 0),
    (kind << 5) | (seenState << 3) | (h & 7),
    hash(3, section, gapClass),
  );
  history = h * 2 + differs;
  store<u8>(outcome, <u8>(past * 2 + differs));
  let made = p;
  if (differs) {
    countAs(Cost.VALUES, section);
    made = codeFields(word, p, o, before, kind, sure, w1, w2, q1);
    gap2 = gap1;
    gap1 = gapClass;
    lastDifference = position;
  }
  if (differs || before !== 0) {
    store<u32>(memo, p);
    store<u32>(memo, made, 4);
  }
  position++;
  const bytes = differs ? fromUnits(made, n) : raw;
  for (let i: u32 = 0; i < WORD; i++) putByte(n + i, (bytes >>> (8 * i)) & 255);
  return differs;
}
