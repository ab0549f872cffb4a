// New bytes that no block covers, coded bit by bit: from the bytes before, from the old bytes next to
// the neighbouring blocks, and from an earlier place with the same last bytes.

import { encoding, setTraining } from '../code/arith';
import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { isPlain, passPlain, Stream } from '../code/plain';
import { Machine } from '../elf/image';
import { alloc } from '../memory';
import { oldSize } from '../old';
import { oldByte } from '../scan/pages';
import { clearOldView, NO_BYTE, oldByteAt } from './old-view';
import { before, freshBase, HISTORY, openOutput, putByte, putBytes, sectionStart } from './output';

const TABLE_BITS: u32 = 16;
const KEY_BYTES: u32 = 5;
const MIN_MATCH: u32 = 4;
const MAX_MATCH: u32 = 32;
/** A match ends at this many misses in 8 bytes. */
const MAX_MISSES: u32 = 6;
/** Bytes before a run that become known to the table. */
const LEAD: u32 = 64;
/** Old place after the previous block, or before the next: none. */
export const NO_NEIGHBOUR: u32 = 0xffffffff;

let mixer: Mixer = changetype<Mixer>(0);
let table: usize = 0;
/** New place up to which the table knows. */
let known: u32 = 0;
let isWordy: bool = false;

// The run being coded.
let runAt: u32 = 0;
let runEnd: u32 = 0;
/** Old minus new offset of the byte that goes on after the previous block, and its misses. */
let afterShift: u32 = 0;
let hasAfter: bool = false;
let afterMisses: u32 = 0;
/** The same of the byte that leads to the next block. */
let untilShift: u32 = 0;
let hasUntil: bool = false;
let untilMisses: u32 = 0;
let matchAt: u32 = 0;
let matchLength: u32 = 0;
let matchMisses: u32 = 0xff;

export function openLiterals(machine: u32): void {
  if (isPlain) return;
  mixer = newMixer(18, 19, 2048, 256, 768, 256, 1, 1024, 127);
  table = alloc(<usize>4 << TABLE_BITS);
  isWordy = machine === Machine.A64 || machine === Machine.A32;
}

export function resetLiterals(): void {
  if (isPlain) return;
  mixer.reset();
  forgetPlaces();
}

/** Empties the table of places: those of training are no places of the section. */
export function forgetPlaces(): void {
  memory.fill(table, 0xff, <usize>4 << TABLE_BITS);
  known = 0;
}

/**
 * Begins a run of new bytes `from` to `end`. `after` is the old offset that follows the previous block,
 * `until` the one where the next block begins; {@link NO_NEIGHBOUR} when there is none.
 */
export function openRun(from: u32, end: u32, after: u32, until: u32): void {
  runAt = from;
  runEnd = end;
  if (isPlain) return;
  hasAfter = after !== NO_NEIGHBOUR;
  afterShift = after - from;
  afterMisses = 0xff;
  hasUntil = until !== NO_NEIGHBOUR;
  untilShift = until - end;
  untilMisses = 0xff;
  matchAt = 0;
  matchLength = 0;
  matchMisses = 0xff;
  clearOldView();
  const first = from - min(LEAD, from - sectionStart);
  for (let n = max(max(first, sectionStart + 8), known); n < from; n++) note(n);
}

/** Codes on, up to new place `limit` or the run's end; returns where it stands. */
export function continueRun(limit: u32): u32 {
  const end = min(limit, runEnd);
  if (isPlain) copyPlain(end);
  else while (runAt < end) codeLiteral();
  return runAt;
}

/** Lets the model learn from `length` bytes at `from` as if they were the section's first. */
export function trainLiterals(from: usize, length: u32): void {
  const base = freshBase;
  const start = sectionStart;
  setTraining(true);
  openOutput(from, 0);
  openRun(0, length, NO_NEIGHBOUR, NO_NEIGHBOUR);
  continueRun(length);
  setTraining(false);
  openOutput(base, start);
  forgetPlaces();
}

function copyPlain(end: u32): void {
  const length = end - runAt;
  const coded = passPlain(Stream.LITERALS, length);
  if (encoding) memory.copy(coded, freshBase + <usize>runAt, length);
  else putBytes(runAt, coded, length);
  runAt = end;
}

@inline
function keyAt(n: u32): usize {
  const key = load<u64>(freshBase + <usize>n - 8) >> (64 - 8 * KEY_BYTES);
  return table + (<usize>((key * 0x9e3779b97f4a7c15) >> (64 - TABLE_BITS)) << 2);
}

/** Place `n` is known by the bytes before it. */
@inline
function note(n: u32): void {
  store<u32>(keyAt(n), n);
}

function findMatch(n: u32): void {
  if (n < sectionStart + 8) return;
  const slot = keyAt(n);
  const place = load<u32>(slot);
  store<u32>(slot, n);
  known = n + 1;
  if (matchLength > 0 || place === 0xffffffff || place === matchAt) return;
  if (place >= n || place < sectionStart + MAX_MATCH || n - place > HISTORY - 2 * MAX_MATCH) return;
  let length: u32 = 0;
  while (
    length < MAX_MATCH &&
    load<u8>(freshBase + <usize>(place - 1 - length)) ===
      load<u8>(freshBase + <usize>(n - 1 - length))
  ) {
    length++;
    if (n - length <= sectionStart) break;
  }
  if (length < MIN_MATCH) return;
  matchAt = place;
  matchLength = length;
  matchMisses = 0;
}

/** What an expected byte says of the next bit: 0 nothing, 1 it is 0, 2 it is 1. */
@inline
function expects(byte: u32, symbol: u32, bit: i32): u32 {
  if (byte >= NO_BYTE) return 0;
  return (byte | 256) >>> (bit + 1) === symbol ? 1 + ((byte >>> bit) & 1) : 0;
}

function codeLiteral(): void {
  const n = runAt;
  findMatch(n);
  const c1 = before(1);
  const c2 = before(2);
  const c3 = before(3);
  const c4 = before(4);
  const c12 = c1 | (c2 << 8);
  const c123 = c12 | (c3 << 16);
  const c1234 = c123 | (c4 << 24);
  const after = n + afterShift;
  const until = n + untilShift;
  const a = hasAfter ? oldByteAt(after, n, 0) : NO_BYTE;
  const nextOld: u32 = a < NO_BYTE && after + 1 < oldSize ? oldByte(after + 1) : 0;
  const u = hasUntil ? oldByteAt(until, n, 1) : NO_BYTE;
  const matches = matchAt !== 0 && popcnt(matchMisses & 0xff) < MAX_MISSES;
  const m: u32 = matches ? <u32>load<u8>(freshBase + <usize>matchAt) : NO_BYTE;
  const al: u32 = isWordy ? n & 3 : 0;
  const lengthClass = min(matchLength, 15) | ((matchMisses & 7) << 4);
  let top: u32 = 0;
  let op: u32;
  let lastTop: u32 = 0;
  if (isWordy) {
    const word = after - al + 3;
    if (hasAfter && word < oldSize) top = oldByte(word) + 1;
    op = c4 | (top << 8);
    lastTop = before(1 + al);
  } else if (c1 === 0xe8 || c1 === 0xe9) {
    op = 256 + ((n + 4) & 15);
  } else if (c2 === 0xe8 || c2 === 0xe9) {
    op = 512 + c1;
  } else {
    op = (c1 << 10) | c3;
  }
  const x = mixer;
  const h3 = afterMisses;
  const h4 = untilMisses;
  x.setHash(0, hash(1, 0, al));
  x.setHash(1, hash(2, c1, al));
  x.setHash(2, hash(3, c1, c2));
  x.setHash(3, hash(4, c123));
  x.setHash(4, hash(5, c1234));
  x.setHash(5, hash(6, c1234, before(5) | (before(6) << 8)));
  x.setHash(6, hash(9, c2, c3));
  x.setHash(7, hash(10, a, al));
  x.setHash(8, hash(11, u, h4 & 7));
  x.setHash(9, hash(13, a | (u << 9)));
  x.setHash(10, hash(14, a, c1));
  x.setHash(11, hash(15, c4 | (al << 8), c1));
  x.setHash(12, hash(17, c4 | (c3 << 8), al << 1));
  x.setHash(13, hash(18, a | (nextOld << 9), c1));
  x.setHash(14, hash(19, op, al));
  x.setHash(15, isWordy ? hash(20, top | (lastTop << 9), c1 | (al << 8)) : hash(20, c12, c4));
  countAs(Cost.LITERALS, 0);
  const byte: u32 = load<u8>(freshBase + <usize>n);
  let symbol: u32 = 1;
  for (let bit: i32 = 7; bit >= 0; bit--) {
    const em = expects(m, symbol, bit);
    const ea = expects(a, symbol, bit);
    const eu = expects(u, symbol, bit);
    x.setSteady(16, hash(7, em, lengthClass, em ? c1 : 0), symbol);
    x.setSteady(17, hash(12, em | (ea << 2) | (eu << 4), (h3 & 15) | ((h4 & 15) << 4)), symbol);
    symbol =
      symbol * 2 +
      x.code(
        (byte >>> bit) & 1,
        symbol,
        symbol + 256 * min(7, em ? 1 + matchLength / 5 : 0),
        em | (ea << 2) | (eu << 4),
        (al * 256 + symbol) % 768,
        ea | (eu << 2) | ((h3 & 3) << 4) | ((h4 & 3) << 6),
        0,
        symbol | (al << 8),
        hash(5, c1, symbol),
      );
  }
  const found = symbol & 255;
  putByte(n, found);
  runAt = n + 1;
  afterMisses = h3 * 2 + (a !== found ? 1 : 0);
  untilMisses = h4 * 2 + (u !== found ? 1 : 0);
  if (matches) {
    matchAt++;
    const hit = m === found;
    matchMisses = matchMisses * 2 + (hit ? 0 : 1);
    matchLength = hit ? min(matchLength + 1, 60) : 0;
  } else {
    matchLength = 0;
  }
  if (hasAfter && a !== found && (afterMisses & 15) === 15) realign(after, n, found, c1, c2);
}

/** Follows insertions and deletions against the old bytes: looks nearby for the last three bytes. */
function realign(after: u32, n: u32, c0: u32, c1: u32, c2: u32): void {
  const c3 = before(4);
  for (let distance: u32 = 1; distance <= 12; distance++) {
    for (let side: u32 = 0; side < 2; side++) {
      const old = side ? after + distance : after - distance;
      if (old < 3 || old >= oldSize) continue;
      if (oldByte(old) !== c0 || oldByte(old - 1) !== c1 || oldByte(old - 2) !== c2) continue;
      if (oldByte(old - 3) !== c3) continue;
      afterShift = old - n;
      afterMisses = 1;
      return;
    }
  }
}
