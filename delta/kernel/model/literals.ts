// New bytes that no block covers, coded bit by bit: from the bytes before, from the old bytes next to
// the neighbouring blocks, and from an earlier place with the same last bytes.

import { encoding, setTraining } from '../code/arith';
import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { isPlain, passPlain, Stream } from '../code/plain';
import { addressOf, Machine } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { oldSize } from '../old';
import { oldByte } from '../scan/pages';
import { expectedBit } from './classes';
import { setPlainContexts } from './literal-contexts';
import {
  advanceMatch,
  beginMatches,
  findMatch,
  forgetPlaces,
  isMatching,
  matchAt,
  matchLength,
  matchMisses,
  missMatch,
  openMatches,
} from './literal-match';
import { clearOldView, NO_BYTE, NO_NEIGHBOUR, oldByteAt } from './old-view';
import { before, freshBase, openOutput, putByte, putBytes, recent, sectionStart } from './output';
import { placeInRv64 } from './rv64-place';
import { setLiteralContexts } from './x64-contexts';
import {
  advanceField,
  branch,
  FIELD_BYTES,
  fieldByte,
  findField,
  guessByte,
  learnField,
  moveField,
  targetAt,
  toTarget,
} from './x64-field';
import { openWordLiterals, resetWordLiterals } from './word-literals';
import { forgetWordPlaces } from './word-match';
import { layoutAt } from './word-places';
import { codeInstruction, layoutAround, openWordRun, WORD_BYTES } from './word-runs';
import { Layout } from './word-units';
import { advancePhase, forgetPhase, isX64Code, syncPhase } from './x64-follow';
import { step } from './x64-phase';
import { Branch } from './x64-targets';

/** Added to what a target's guessed byte is; match lengths are below. */
const GUESSED: u32 = 128;

let mixer: Mixer = changetype<Mixer>(0);
let isWordy: bool = false;
let isRv64: bool = false;

// The run being coded.
let runAt: u32 = 0;
let runEnd: u32 = 0;
/** Where instructions begin that are coded as such; the run's end if none. */
let wordsAt: u32 = 0;
/** Old minus new offset of the byte that goes on after the previous block, and its misses. */
let afterShift: u32 = 0;
let hasAfter: bool = false;
let afterMisses: u32 = 0;
/** The same of the byte that leads to the next block. */
let untilShift: u32 = 0;
let hasUntil: bool = false;
let untilMisses: u32 = 0;
/** The run is x86-64 code. */
let isX64: bool = false;
/** The target of the match's field, for the field at hand. */
let matchTarget: u32 = 0;
let hasMatchTarget: bool = false;
/** Old address of byte 0 while training on x86-64 code. */
let trainAddress: u32 = 0;
let isTraining: bool = false;
/** The layout of what is trained on. */
let trained: Layout = Layout.NONE;

export function openLiterals(machine: u32): void {
  if (isPlain) return;
  isWordy = machine === Machine.A64 || machine === Machine.A32;
  isRv64 = machine === Machine.RV64;
  mixer = newMixer(18, isWordy ? 18 : 19, 2048, 256, 768, 256, 1, 1024, 127);
  openMatches();
  if (isWordy) openWordLiterals();
}

export function resetLiterals(): void {
  if (isPlain) return;
  mixer.reset();
  if (isWordy) resetWordLiterals();
  forgetPlaces();
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
  clearOldView();
  hasMatchTarget = false;
  isX64 = isTraining || isInX64Code(after, until);
  if (isX64) syncPhase(from);
  wordsAt = end;
  if (isWordy) {
    const layout = trained === Layout.NONE ? layoutAround(after, until) : trained;
    wordsAt = openWordRun(layout, from, end, after, until);
  }
  beginMatches(from);
}

/** True if the old byte before the run, or else the one after it, is of x86-64 code. */
function isInX64Code(after: u32, until: u32): bool {
  if (after !== NO_NEIGHBOUR && after > 0) return isX64Code(after - 1);
  return until !== NO_NEIGHBOUR && isX64Code(until);
}

/** Codes on, up to new place `limit` or a few bytes more; returns where it stands. */
export function continueRun(limit: u32): u32 {
  const end = min(limit, runEnd);
  if (isPlain) copyPlain(end);
  while (runAt < end) {
    if (runAt >= wordsAt && runEnd - runAt >= WORD_BYTES) runAt += codeInstruction(runAt);
    else codeLiteral();
  }
  return runAt;
}

/**
 * Lets the model learn from `length` bytes at `from`, old code from offset `old` on, as if they were
 * the section's first.
 */
export function trainLiterals(from: usize, length: u32, old: u32): void {
  const base = freshBase;
  const start = sectionStart;
  const image = imageOfOffset(old);
  isTraining = isX64Code(old);
  trained = isWordy ? layoutAt(old) : Layout.NONE;
  trainAddress = image === null ? 0 : addressOf(image, old);
  setTraining(true);
  openOutput(from, 0);
  forgetPhase();
  openRun(0, length, NO_NEIGHBOUR, NO_NEIGHBOUR);
  continueRun(length);
  setTraining(false);
  isTraining = false;
  trained = Layout.NONE;
  openOutput(base, start);
  forgetPhase();
  forgetPlaces();
  if (isWordy) forgetWordPlaces();
}

function copyPlain(end: u32): void {
  const length = end - runAt;
  const coded = passPlain(Stream.LITERALS, length);
  if (encoding) memory.copy(coded, freshBase + <usize>runAt, length);
  else putBytes(runAt, coded, length);
  runAt = end;
}

function codeLiteral(): void {
  const n = runAt;
  findMatch(n);
  const c1 = before(1);
  const c2 = before(2);
  const c3 = before(3);
  const c12 = c1 | (c2 << 8);
  const after = n + afterShift;
  const until = n + untilShift;
  let a: u32 = hasAfter ? oldByteAt(after, n, 0) : NO_BYTE;
  const nextOld: u32 = a < NO_BYTE && after + 1 < oldSize ? oldByte(after + 1) : 0;
  let u: u32 = hasUntil ? oldByteAt(until, n, 1) : NO_BYTE;
  const matches = isMatching();
  let m: u32 = matches ? <u32>load<u8>(freshBase + <usize>matchAt) : NO_BYTE;
  const al: u32 = isWordy ? n & 3 : isRv64 ? placeInRv64(n) : 0;
  let lengthClass = min(matchLength, 15) | ((matchMisses & 7) << 4);
  const inField = isX64 && findLiteralField(n, matches);
  const add = inField ? toTarget : 0;
  if (inField) {
    a = moved(a, add);
    u = moved(u, add);
    m = hasMatchTarget ? (matchTarget >>> (8 * fieldByte)) & 255 : moved(m, add);
  }
  const matched = m;
  if (inField && matchLength === 0) {
    const guess = guessByte(NO_BYTE);
    if (guess !== NO_BYTE) {
      m = guess;
      lengthClass = GUESSED + fieldByte + FIELD_BYTES * branch;
    }
  }
  const role: u32 = isX64 ? step : al;
  const x = mixer;
  const h3 = afterMisses;
  const h4 = untilMisses;
  x.setHash(1, hash(2, c1, role));
  x.setHash(2, hash(3, c12, isX64 ? role : 0));
  x.setHash(3, hash(4, c12 | (c3 << 16)));
  x.setHash(4, hash(5, <u32>recent));
  x.setHash(7, hash(10, a, role));
  x.setHash(8, hash(11, u, h4 & 7));
  x.setHash(9, hash(13, a | (u << 9)));
  x.setHash(10, hash(14, a, c1));
  x.setHash(13, hash(18, a | (nextOld << 9), c1));
  if (isX64) setLiteralContexts(x, inField);
  else setPlainContexts(x, n, al, isWordy, oldTop(after, al));
  countAs(Cost.LITERALS, 0);
  const byte = (<u32>load<u8>(freshBase + <usize>n) + add) & 255;
  let symbol: u32 = 1;
  for (let bit: i32 = 7; bit >= 0; bit--) {
    const em = expectedBit(m, symbol, bit, 8);
    const ea = expectedBit(a, symbol, bit, 8);
    const eu = expectedBit(u, symbol, bit, 8);
    x.setSteady(16, hash(7, em, lengthClass, em ? c1 : 0), symbol);
    x.setSteady(17, hash(12, em | (ea << 2) | (eu << 4), (h3 & 15) | ((h4 & 15) << 4)), symbol);
    symbol =
      symbol * 2 +
      x.code(
        (byte >>> bit) & 1,
        symbol,
        symbol + 256 * min(7, em ? 1 + matchLength / 5 : 0),
        em | (ea << 2) | (eu << 4),
        isX64 ? 256 + role * 8 + bit : (al * 256 + symbol) % 768,
        ea | (eu << 2) | ((h3 & 3) << 4) | ((h4 & 3) << 6),
        0,
        symbol | (min(role, 3) << 8),
        hash(5, c1, symbol),
      );
  }
  const symbolByte = symbol & 255;
  const found = (symbolByte - add) & 255;
  putByte(n, found);
  runAt = n + 1;
  afterMisses = h3 * 2 + (a !== symbolByte ? 1 : 0);
  untilMisses = h4 * 2 + (u !== symbolByte ? 1 : 0);
  if (matches) advanceMatch(matched === symbolByte);
  else missMatch();
  if (isX64) {
    if (inField) {
      advanceField(found);
      if (fieldByte === FIELD_BYTES - 1) learnField();
    }
    advancePhase(found);
  }
  if (hasAfter && a !== symbolByte && (afterMisses & 15) === 15) realign(after, n, found, c1, c2);
}

/** What a byte of a field means as one of its target. */
@inline
function moved(byte: u32, add: u32): u32 {
  return byte < NO_BYTE ? (byte + add) & 255 : byte;
}

/** As findField; opens the match's field too. */
function findLiteralField(n: u32, matches: bool): bool {
  if (!findField(n)) return false;
  if (isTraining && runEnd - n < FIELD_BYTES - fieldByte) return false;
  if (fieldByte !== 0) return true;
  if (isTraining) moveField(n, trainAddress + n);
  // A jump mostly stays in its function: of that, the distance is the same.
  hasMatchTarget = matches && matchAt + FIELD_BYTES <= n && branch !== Branch.JUMP;
  if (hasMatchTarget) matchTarget = targetAt(matchAt);
  return true;
}

/** 1 + the last byte of the old instruction word at `after`, 0 if there is none. */
function oldTop(after: u32, al: u32): u32 {
  const word = after - al + 3;
  return isWordy && hasAfter && word < oldSize ? oldByte(word) + 1 : 0;
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
