// Where the new bytes of a block differ from the predicted ones: a flag for each 32 bytes; inside, a
// flag for each byte, and the difference of those that differ.

import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { isPlain } from '../code/plain';
import { Machine } from '../elf/image';
import { alloc } from '../memory';
import { codeChunkFlag, openChunkFlags, resetChunkFlags } from './chunk-flag';
import { bits } from './classes';
import { before, freshBase, putByte, putBytes } from './output';
import { codePlainChunk, resetPlainResidual } from './plain-residual';
import { CHUNK, kinds, other, predicted, sureness } from './window';
import {
  codeBlockWord,
  isWords,
  openWordResidual,
  resetWordResidual,
  skipWords,
} from './word-residual';
import { setFlagContexts, setValueContexts } from './x64-contexts';
import { advanceField, findField, forgetX64Field, guessByte, toTarget } from './x64-field';
import { advancePhase, forgetPhase, isX64Code, syncPhase } from './x64-follow';
import { step } from './x64-phase';
import { resetX64Targets } from './x64-targets';

let flags: Mixer = changetype<Mixer>(0);
let values: Mixer = changetype<Mixer>(0);

let history: u32 = 0;
let difference1: u32 = 0;
let difference2: u32 = 0;
let gap1: u32 = 0;
let gap2: u32 = 0;
/** Bytes of blocks so far, and where the last difference was. */
let position: u32 = 0;
let lastDifference: u32 = 0;
/** Last difference by kind, by predicted byte and the one before, by section and place in its entry. */
let byKind: usize = 0;
let byPair: usize = 0;
let byEntry: usize = 0;
/** True for machines of 4-byte instructions. */
let isWordy: bool = false;
/** The chunk is x86-64 code. */
let isX64: bool = false;

const KNOWN: u32 = 256;
const WAS_ZERO: u32 = 512;
const NO_GUESS: u32 = 256;

export function openResidual(machine: u32): void {
  if (isPlain) return;
  openChunkFlags();
  isWordy = machine === Machine.A64 || machine === Machine.A32;
  // Code by words leaves these tables to data.
  const tableBits: u32 = isWordy ? 18 : 19;
  flags = newMixer(21, tableBits, 512, 1024, 256, 64, 8, 1024, 60);
  values = newMixer(21, tableBits, 512, 1024, 64, 0, 1, 1024, 60);
  byKind = alloc(512 * 4);
  byPair = alloc(65536 * 2);
  byEntry = alloc(256 * 64 * 2);
  if (isWordy) openWordResidual();
}

export function resetResidual(): void {
  if (isPlain) return resetPlainResidual();
  forgetPhase();
  forgetX64Field();
  resetX64Targets();
  resetChunkFlags();
  flags.reset();
  values.reset();
  if (isWordy) resetWordResidual();
  memory.fill(byKind, 0, 512 * 4);
  memory.fill(byPair, 0, 65536 * 2);
  memory.fill(byEntry, 0, 256 * 64 * 2);
  history = difference1 = difference2 = gap1 = gap2 = 0;
  position = lastDifference = 0;
}

/**
 * Codes new bytes `fresh` to `fresh + length` (at most 32), which are `from` bytes into a block of
 * `blockLength`. `section` and `entry` tell where in which old section they begin: `entry` is the place
 * in an entry of `entryBytes` (0: none).
 */
export function codeChunk(
  fresh: u32,
  length: u32,
  from: u32,
  blockLength: u32,
  old: u32,
  section: u32,
  sectionStart: u32,
  entryBytes: u32,
): void {
  if (isPlain) return codePlainChunk(fresh, length);
  const distance = position - lastDifference;
  const differs = codeChunkFlag(fresh, length, from, blockLength, section, distance, gap1, gap2);
  if (!differs) {
    history = 0;
    position += length;
    if (isWordy) skipWords(length >> 2);
    putBytes(fresh, predicted + <usize>CHUNK, length);
    return;
  }
  isX64 = isX64Code(old);
  if (isX64) syncPhase(fresh);
  const hasWords = isWordy && isWords(fresh, old);
  for (let i: u32 = 0; i < length; i++) {
    if (hasWords && ((fresh + i) & 3) === 0 && length - i >= 4) {
      noteWord(codeBlockWord(fresh + i, i, from + i, blockLength, section));
      i += 3;
      continue;
    }
    const inSection = old + i - sectionStart;
    const entry = entryBytes > 0 ? inSection % entryBytes : (old + i) & 7;
    const inField = isX64 && findField(fresh + i);
    codeByte(fresh + i, i, from + i, blockLength, old + i, section, entry, inField);
    position++;
    if (!isX64) continue;
    const byte = <u32>load<u8>(freshBase + <usize>(fresh + i));
    if (inField) advanceField(byte);
    advancePhase(byte);
  }
}

/** The last four bytes were coded as an instruction. */
function noteWord(differs: u32): void {
  history = (history << 4) | differs;
  if (differs) {
    gap2 = gap1;
    gap1 = gapClassHere();
    lastDifference = position;
  }
  position += 4;
}

@inline
function gapClassHere(): u32 {
  const gap = min(position - lastDifference, 255);
  return gap < 32 ? gap : 32 + bits(gap);
}

function codeByte(
  fresh: u32,
  i: u32,
  j: u32,
  blockLength: u32,
  old: u32,
  section: u32,
  m: u32,
  inField: bool,
): void {
  const at = predicted + <usize>(CHUNK + i);
  const pr = <u32>load<u8>(at);
  const p1: u32 = load<u8>(at - 1);
  const p2: u32 = load<u8>(at - 2);
  const p3: u32 = load<u8>(at - 3);
  const q1: u32 = load<u8>(at + 1);
  const q2: u32 = load<u8>(at + 2);
  const k: u32 = load<u8>(kinds + <usize>(CHUNK + i));
  const nextKind: u32 = load<u8>(kinds + <usize>(CHUNK + i + 1));
  const c1 = before(1);
  const c2 = before(2);
  const gapClass = gapClassHere();
  const lastMiss: u32 = j > 0 ? (c1 - p1) & 255 : 0;
  const sure: u32 = k ? load<u8>(sureness + <usize>(CHUNK + i)) : 0;
  const pair = byPair + (<usize>((pr << 8) | p1) << 1);
  const pairLast: u32 = load<u16>(pair);
  const entryAt = byEntry + (<usize>((section & 255) * 64 + (m & 63)) << 1);
  const entryLast: u32 = load<u16>(entryAt);
  const kindLast = load<u32>(byKind + (<usize>k << 2));
  const edge1 = min(j, 15);
  const edge2 = min(blockLength - 1 - j, 15);
  let op: u32;
  if (isWordy) {
    const word = <usize>(CHUNK + i) - <usize>(old & 3);
    op =
      ((<u32>load<u8>(predicted + word + 3) << 8) | <u32>load<u8>(predicted + word + 2)) |
      ((old & 3) << 16);
  } else {
    op = (p1 << 16) | (p2 << 8) | p3;
  }
  const alternative: u32 = k ? (<u32>load<u8>(other + <usize>(CHUNK + i)) - pr) & 255 : 0;
  let guess: u32 = inField ? guessByte(NO_GUESS) : NO_GUESS;
  if (guess !== NO_GUESS) guess = (guess - toTarget - pr) & 255;
  const where = isX64 ? <u32>step : section;
  const h = history;
  const f = flags;
  const place = section * 64 + m;
  f.setHash(0, hash(1, k, h & 0xff));
  f.setHash(1, hash(2, gapClass, h & 15, k));
  f.setHash(2, hash(3, pr, p1, k));
  f.setHash(3, hash(4, p1, p2, p3 | (lastMiss << 8)));
  f.setHash(4, hash(5, lastMiss, difference1, k));
  f.setHash(5, hash(6, gap1, gapClass));
  f.setHash(6, hash(7, pr, k, lastMiss));
  f.setHash(7, hash(8, p1, p2, pr | (nextKind << 8)));
  f.setHash(8, hash(9, pairLast, k, pr));
  f.setHash(9, hash(10, h & 0xffff, k & 7));
  f.setHash(11, hash(12, sure, k, h & 7));
  f.setHash(13, hash(14, edge1, edge2, k ? 1 : h & 1));
  f.setHash(16, hash(17, c1 | (c2 << 8), pr, k));
  f.setHash(19, hash(20, sure, kindLast, h & 3));
  f.setHash(20, hash(21, sure | (alternative !== 0 ? 128 : 0), k, h & 15));
  if (isX64) {
    setFlagContexts(f, inField, pr, q1 | (q2 << 8), guess, k, sure, h, gapClass);
  } else {
    f.setHash(10, hash(11, place, h & 7, entryLast));
    f.setHash(12, hash(13, pr | (q1 << 8) | (q2 << 16), k, m));
    f.setHash(14, hash(15, op, k, h & 1));
    f.setHash(15, hash(16, op, pr, m));
    f.setHash(17, hash(18, section, gapClass, sure));
    f.setHash(18, hash(19, entryLast, section, m | ((h << 8) & 0x300)));
  }
  const fresh0: u32 = load<u8>(freshBase + <usize>fresh);
  let x = (fresh0 - pr) & 255;
  countAs(Cost.FLAGS, section);
  const differs = f.code(
    x !== 0 ? 1 : 0,
    0,
    (k ? min(k, 127) : 0) + 128 * (h & 3),
    (sure * 8 + (h & 7)) & 1023,
    isX64 ? where * 4 + (h & 3) : min(section, 31) * 8 + (m & 7),
    min(gapClass, 63),
    (h & 3) + 4 * (k !== 0 ? 1 : 0),
    k * 8 + (h & 7),
    hash(3, where, gapClass),
  );
  history = h * 2 + differs;
  if (!differs) {
    if (pairLast) store<u16>(pair, <u16>((pairLast & 255) | WAS_ZERO));
    if (entryLast) store<u16>(entryAt, <u16>((entryLast & 255) | WAS_ZERO));
    putByte(fresh, pr);
    return;
  }
  const v = values;
  v.setHash(0, hash(1, k));
  v.setHash(1, hash(2, difference1, min(gapClass, 16)));
  v.setHash(2, hash(3, difference1, difference2));
  v.setHash(3, hash(4, lastMiss, k));
  v.setHash(4, hash(5, pr, k));
  v.setHash(5, hash(6, pr, p1));
  v.setHash(6, hash(7, pairLast));
  v.setHash(7, hash(8, kindLast));
  v.setHash(8, hash(9, difference2, k));
  v.setHash(9, hash(10, pr | (p1 << 8), p2));
  v.setHash(10, hash(11, place));
  v.setHash(11, hash(12, entryLast, m));
  v.setHash(12, hash(13, op, k));
  v.setHash(13, hash(14, pr, c1 | (c2 << 8)));
  v.setHash(14, hash(15, q1 | (q2 << 8), pr));
  v.setHash(15, hash(16, section, difference1));
  v.setHash(16, hash(17, op, pr));
  v.setHash(17, hash(18, sure, kindLast));
  v.setHash(18, hash(19, gapClass, lastMiss));
  v.setHash(19, hash(20, m, k | ((history << 8) & 0xf00)));
  v.setHash(20, hash(21, alternative, k ? sure : history & 7));
  if (isX64) setValueContexts(v, inField, pr, guess, difference1);
  countAs(Cost.VALUES, section);
  let symbol: u32 = 1;
  for (let bit: i32 = 7; bit >= 0; bit--) {
    symbol =
      symbol * 2 +
      v.code(
        (x >>> bit) & 1,
        symbol,
        symbol | (k ? 256 : 0),
        ((k << 3) | <u32>bit) & 1023,
        min(where, 63),
        0,
        0,
        symbol | (k ? 256 : 0),
        hash(7, where, symbol, isX64 ? 0 : m),
      );
  }
  x = symbol & 255;
  difference2 = difference1;
  difference1 = x;
  gap2 = gap1;
  gap1 = gapClass;
  lastDifference = position;
  store<u32>(byKind + (<usize>k << 2), x);
  store<u16>(pair, <u16>(x | KNOWN));
  store<u16>(entryAt, <u16>(x | KNOWN));
  putByte(fresh, pr + x);
}
