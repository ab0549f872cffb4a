// How AArch64 references are found: branches by their opcode, if the target is code; an ADRP with each
// ADD, load or store that adds the low 12 bits to its register within the next 1024 bytes, until the
// register is written otherwise. An ADRP's own target is that of the first. Words amid others that are
// no instructions are taken for data, as of a table in the middle of code.

import { addressOf, Image, isCode, isLoaded, NO_PLACE, Section } from '../elf/image';
import { readOld } from '../old';
import { adrpPage, branchKind, branchTarget, isAdrp } from '../refs/a64';
import { Kind } from '../refs/kinds';
import * as pairs from './adrp-pairs';
import { emit, refCount, scanBuffer } from './emit';

const WORD: u32 = 4;
/** Words this far around one tell whether it is data: these many that are no instructions. */
const AROUND: u32 = 64;
const STRANGE: u32 = 3;
/** What lies further from the part to scan does not matter to it. */
const MARGIN: u32 = pairs.REACH + AROUND;

/** Emits the references of a code section whose fields begin in [from, to). */
export function scanA64(image: Image, section: Section, from: u32, to: u32): void {
  const address = addressOf(image, from);
  if (address === NO_PLACE) return;
  const first = from + (-address & 3);
  if (first >= to) return;
  const begin = first - min(MARGIN, (first - section.offset) & ~3);
  const end = to + min(MARGIN + WORD, section.offset + section.bytes - to);
  const bytes = readOld(begin, end - begin, scanBuffer);
  const length = (end - begin) & ~3;
  const addressOfBegin = address + (begin - from);
  const start: u32 = first - begin < pairs.REACH ? 0 : first - begin - pairs.REACH;
  const stop = min(length, to - begin + pairs.REACH);
  let strange = strangeBefore(bytes, start, length);
  pairs.forgetPages();
  for (let at = start; at < stop; at += WORD) {
    if (at + AROUND < length) strange += isStrange(bytes, at + AROUND);
    if (strange < STRANGE) {
      const offset = begin + at;
      const isWanted = offset >= first && offset < to;
      scanWord(image, load<u32>(bytes + <usize>at), offset, addressOfBegin + at, isWanted);
    }
    if (at >= AROUND) strange -= isStrange(bytes, at - AROUND);
  }
}

function scanWord(image: Image, word: u32, offset: u32, place: u32, isWanted: bool): void {
  const kind = branchKind(word);
  if (kind !== Kind.NONE) {
    if (!isWanted) return;
    const target = branchTarget(kind, word, place);
    if (isCode(image, target)) emit(offset, kind, 0, target, 0);
  } else if (isAdrp(word)) {
    scanAdrp(image, word, offset, adrpPage(word, place), isWanted);
  } else {
    if (pairs.isPair(word, offset) && isLoaded(image, pairs.pairTarget)) {
      if (isWanted) emit(offset, Kind.A64_LO12, pairs.pairScale, pairs.pairTarget, 0);
      pairs.settleTarget(word);
    }
    pairs.forgetWritten(word);
  }
}

/** Part of a page is enough: it may begin before a segment. */
function scanAdrp(image: Image, word: u32, offset: u32, page: u32, isWanted: bool): void {
  const register = word & 31;
  if (!isLoaded(image, page) && !isLoaded(image, page + 0xfff)) {
    pairs.forgetPage(register);
    return;
  }
  const ref = refCount;
  if (isWanted) emit(offset, Kind.A64_ADRP, 0, page, 0);
  pairs.setPage(register, page, offset, refCount > ref ? ref : pairs.NO_REF);
}

/** Strange words in [at - AROUND, at + AROUND). */
function strangeBefore(bytes: usize, at: u32, length: u32): u32 {
  let count: u32 = 0;
  const end = min(length, at + AROUND);
  const begin: u32 = at < AROUND ? 0 : at - AROUND;
  for (let i = begin; i < end; i += WORD) count += isStrange(bytes, i);
  return count;
}

/** 1 for a word of the encodings without instructions (bits 27 and 28 clear), but zero, which pads. */
@inline
function isStrange(bytes: usize, at: u32): u32 {
  const word = load<u32>(bytes + <usize>at);
  return <u32>(word !== 0 && (word & 0x18000000) === 0);
}
