// Where the new bytes of a block differ from the predicted ones: a flag for each 32 bytes; inside, a
// flag for each byte, and the difference of those that differ.

import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { isPlain } from '../code/plain';
import { Machine } from '../elf/image';
import { alloc } from '../memory';
import { bits, sureClass } from './classes';
import { before, freshBase, putByte, putBytes } from './output';
import { codePlainChunk, resetPlainResidual } from './plain-residual';
import { CHUNK, kinds, other, predicted, risk, sureness } from './window';
import { setFlagContexts, setValueContexts } from './x64-contexts';
import { advanceField, findField, guessByte, toTarget } from './x64-field';
import { advancePhase, forgetPhase, isX64Code, syncPhase } from './x64-follow';
import { step } from './x64-phase';
import { resetX64Targets } from './x64-targets';
import { layoutAt } from './word-places';
import { codeBlockWord, openWordResidual, resetWordResidual, skipWords } from './word-residual';
import { Layout, useLayout } from './word-units';

/** Statistics: what the decisions cost is counted by the caller of these three. */
let chunks: Mixer = changetype<Mixer>(0);
let flags: Mixer = changetype<Mixer>(0);
let values: Mixer = changetype<Mixer>(0);

let chunkHistory: u32 = 0;
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
  isWordy = machine === Machine.A64 || machine === Machine.A32;
  chunks = newMixer(12, 16, 4, 32, 64, 0, 4, 1024, 120);
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
  resetX64Targets();
  chunks.reset();
  flags.reset();
  values.reset();
  if (isWordy) resetWordResidual();
  memory.fill(byKind, 0, 512 * 4);
  memory.fill(byPair, 0, 65536 * 2);
  memory.fill(byEntry, 0, 256 * 64 * 2);
  chunkHistory = history = difference1 = difference2 = gap1 = gap2 = 0;
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
  let differs: u32 = 0;
  let kindSet: u32 = 0;
  let worst: u32 = 0;
  let fields: u32 = 0;
  for (let i: usize = 0; i < <usize>length; i++) {
    const at = <usize>CHUNK + i;
    if (load<u8>(freshBase + <usize>fresh + i) !== load<u8>(predicted + at)) differs = 1;
    const kind = <u32>load<u8>(kinds + at);
    if (kind === 0) continue;
    kindSet |= 1 << ((kind >>> 3) & 15);
    worst = max(worst, sureClass(load<u8>(sureness + at)));
    fields++;
  }
  const since = min(bits(position - lastDifference), 20);
  const depth = min(bits(from), 10);
  const rest = min(bits(blockLength - from), 12);
  const h = chunkHistory;
  chunks.setHash(0, hash(1, h & 0xff));
  chunks.setHash(1, hash(2, h & 0xffff, kindSet !== 0 ? 1 : 0));
  chunks.setHash(2, hash(3, since, h & 3, section));
  chunks.setHash(3, hash(4, kindSet, h & 3, worst));
  chunks.setHash(4, hash(5, since, kindSet));
  chunks.setHash(5, hash(6, gap1, gap2, since));
  chunks.setHash(6, hash(7, worst, section, h & 1));
  chunks.setHash(7, hash(8, depth, rest, h & 3));
  chunks.setHash(8, hash(9, worst, since, fields));
  const danger = risk === 0 ? 0 : bits(risk >> 2);
  chunks.setHash(9, hash(10, danger, h & 1));
  chunks.setHash(10, hash(11, danger, since, kindSet));
  chunks.setHash(11, hash(12, danger, h & 7, section));
  countAs(Cost.CHUNKS, section);
  differs = chunks.code(
    differs,
    0,
    (h & 1) + 2 * (kindSet !== 0 ? 1 : 0),
    danger,
    min(section, 63),
    0,
    h & 3,
    danger * 8 + (h & 7),
    since * 32 + min(section, 31),
  );
  chunkHistory = h * 2 + differs;
  if (!differs) {
    history = 0;
    position += length;
    if (isWordy) skipWords(length >> 2);
    putBytes(fresh, predicted + <usize>CHUNK, length);
    return;
  }
  isX64 = isX64Code(old);
  if (isX64) syncPhase(fresh);
  const hasWords = isWordy && useWords(fresh, old);
  for (let i: u32 = 0; i < length; i++) {
    if (hasWords && ((fresh + i) & 3) === 0 && length - i >= 4) {
      codeWordAt(fresh + i, i, from + i, blockLength, section);
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

/** True if the chunk's bytes are instructions of four bytes, as old ones and as new ones. */
function useWords(fresh: u32, old: u32): bool {
  if (((fresh ^ old) & 3) !== 0) return false;
  const layout = layoutAt(old);
  if (layout !== Layout.A64 && layout !== Layout.A32) return false;
  useLayout(layout);
  return true;
}

function codeWordAt(
  fresh: u32,
  i: u32,
  from: u32,
  blockLength: u32,
  section: u32,
): void {
  const expected = load<u32>(predicted + <usize>(CHUNK + i));
  const word = codeBlockWord(fresh, i, from, blockLength, section);
  for (let b: u32 = 0; b < 4; b++) putByte(fresh + b, (word >>> (8 * b)) & 255);
  history <<= 4;
  if (word !== expected) {
    history |= 1;
    gap2 = gap1;
    gap1 = gapClassOf(min(position - lastDifference, 255));
    lastDifference = position;
  }
  position += 4;
}

@inline
function gapClassOf(gap: u32): u32 {
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
  const gap = min(position - lastDifference, 255);
  const gapClass = gapClassOf(gap);
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
