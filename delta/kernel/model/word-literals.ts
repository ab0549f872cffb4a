// New instructions that no block covers, each from its operation down to its last register.

import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { alloc } from '../memory';
import { expectedBit } from './classes';
import { freshBase, sectionStart } from './output';
import {
  dropMatch,
  findPlace,
  followMatch,
  forgetWordPlaces,
  matched,
  matchLength,
  matchMisses,
  notePlace,
  openWordMatch,
} from './word-match';
import * as units from './word-units';
import { operandOf, operationOf, resultOf, toUnits } from './word-units';

/** Bytes before a run that are read as instructions. */
const LEAD: u32 = 256;
const NO_UNIT: u32 = 256;

let mixer: Mixer = changetype<Mixer>(0);
/** The last instruction of each operation. */
let byOperation: usize = 0;
/** The last instructions as units, the latest first. */
let w1: u32 = 0;
let w2: u32 = 0;
let w3: u32 = 0;
let w4: u32 = 0;

export function openWordLiterals(): void {
  mixer = newMixer(20, 19, units.SYMBOLS, 512, 2048, 256, 1, 1024, 127);
  byOperation = alloc(units.OPERATIONS * 4);
  openWordMatch();
}

export function resetWordLiterals(): void {
  mixer.reset();
  memory.fill(byOperation, 0, units.OPERATIONS * 4);
  forgetWordPlaces();
}

@inline
function push(word: u32): void {
  w4 = w3;
  w3 = w2;
  w2 = w1;
  w1 = word;
}

/** The bytes at `n`, of which `left` are made: all of an instruction that does not go on, or half. */
function rawBefore(n: u32, left: u32): u32 {
  const at = freshBase + <usize>n;
  return left >= 4 ? load<u32>(at) : left >= 2 ? <u32>load<u16>(at) : 0;
}

/** Reads the instructions before a run from `from` on; returns where its first one begins. */
export function startWords(from: u32): u32 {
  const mask = units.step - 1;
  dropMatch();
  w1 = w2 = w3 = w4 = 0;
  let n = (from - min(LEAD, from - sectionStart) + mask) & ~mask;
  while (n < from) {
    const left = from - n;
    const word = toUnits(rawBefore(n, left), n);
    const bytes = units.bytesOf(word);
    if (bytes <= left) push(word);
    n += bytes;
    if (n <= from) notePlace(n, w1, w2, w3);
  }
  return n;
}

/**
 * Codes the instruction at `n`, whose four bytes are `raw` (building), and returns it as units. `after`
 * and `until` are the old ones that would be next if the block before or the next one went on, or 0;
 * `next` comes after the first of them. `h3` and `h4` tell when such were wrong, the latest lowest.
 */
export function codeWord(
  n: u32,
  raw: u32,
  after: u32,
  until: u32,
  next: u32,
  h3: u32,
  h4: u32,
): u32 {
  findPlace(n, w1, w2, w3);
  const x = mixer;
  const word = toUnits(raw, n);
  const length = matchLength;
  const op1 = operationOf(w1);
  const op12 = op1 | (operationOf(w2) << 12);
  const op3 = operationOf(w3);
  const opNext = operationOf(next);
  const w12 = hash(w1, w2);
  const w123 = hash(w1, w2, w3);
  const rd1 = resultOf(w1);
  const registers = rd1 | (resultOf(w2) << 5);
  const operands = rd1 | (operandOf(w1) << 5);
  const tops = (w1 >>> 24) | ((w2 >>> 24) << 8) | ((w3 >>> 24) << 16);
  const class1 = (w1 >>> units.classShift) & 255;
  const matchClass = length > 0 ? min(length, 15) | ((matchMisses & 7) << 4) : 0;
  const misses = (h3 & 15) | ((h4 & 15) << 4);
  let last: u32 = 0;
  let prefix: u32 = 0;
  // 1: the units so far are as in the expected instruction, 2: they are not, 0: there is none.
  let afterState: u32 = after ? 1 : 0;
  let untilState: u32 = until ? 1 : 0;
  let matchState: u32 = length > 0 ? 1 : 0;
  let low: u32 = 32;
  let first: u32 = 0;
  units.openUnits();
  for (let k: u32 = 0; low > units.unitsEnd; k++) {
    const width = (units.widths >>> (4 * k)) & 15;
    const known = low;
    low -= width;
    const mask: u32 = (1 << width) - 1;
    const a = after ? (after >>> low) & mask : NO_UNIT;
    const u = until ? (until >>> low) & mask : NO_UNIT;
    const m = length > 0 ? (matched >>> low) & mask : NO_UNIT;
    if (known === units.operationLow) last = load<u32>(byOperation + (<usize>prefix << 2));
    const operation = known > units.operationLow ? prefix : prefix >>> (units.operationLow - known);
    const ko = k | (operation << 3);
    const kp = hash(k, prefix);
    x.setHash(0, kp);
    x.setHash(1, hash(1, kp, op1));
    x.setHash(2, hash(2, kp, op12));
    x.setHash(3, hash(3, kp, w1));
    x.setHash(4, hash(4, kp, w12));
    x.setHash(5, hash(5, kp, w123));
    x.setHash(6, hash(6, ko, registers));
    x.setHash(7, hash(7, ko, prefix & 63));
    x.setHash(8, hash(8, kp, last));
    x.setHash(9, hash(9, ko, operands));
    x.setHash(10, hash(10, k | (afterState << 3), a, h3 & 7));
    x.setHash(11, hash(11, k | (untilState << 3), u, h4 & 7));
    x.setHash(12, hash(12, ko, a, u));
    x.setHash(13, hash(13, kp, tops, w4 >>> 24));
    x.setHash(14, hash(14, kp, op12, op3));
    x.setHash(15, hash(15, ko, opNext, a));
    x.setHash(16, hash(16, ko, (last >>> low) & mask, a));
    x.setHash(17, hash(17, ko));
    const kind = k < 2 ? class1 : (prefix >>> (units.classShift - known)) & 255;
    let symbol: u32 = 1;
    for (let bit = <i32>width - 1; bit >= 0; bit--) {
      const em = expectedBit(m, symbol, bit, width);
      const ea = expectedBit(a, symbol, bit, width);
      const eu = expectedBit(u, symbol, bit, width);
      const votes = em | (ea << 2) | (eu << 4);
      x.setSteady(18, hash(18, em | (matchState << 2), matchClass, em ? k : 99), symbol);
      x.setSteady(19, hash(19, votes | (afterState << 6) | (untilState << 8), misses, k), symbol);
      symbol =
        symbol * 2 +
        x.code(
          (word >>> (low + <u32>bit)) & 1,
          symbol,
          first + symbol,
          votes * 8 + min(7, em ? 1 + length / 3 : 0),
          256 * k + kind,
          k * 27 + afterState + 3 * untilState + 9 * matchState,
          0,
          first + symbol,
          hash(5, prefix, symbol),
        );
    }
    const found = symbol & mask;
    if (k === 0) units.openRest(found);
    first = k === 0 ? units.firstSymbol + (1 << width) : first + (1 << width);
    if (a !== found && after) afterState = 2;
    if (u !== found && until) untilState = 2;
    if (m !== found && length > 0) matchState = 2;
    prefix = (prefix << width) | found;
  }
  const made = prefix << units.unitsEnd;
  store<u32>(byOperation + (<usize>operationOf(made) << 2), made);
  followMatch(made);
  push(made);
  return made;
}
