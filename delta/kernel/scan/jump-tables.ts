// Jump tables of x86-64 in read-only data: 32-bit words, each the distance of a piece of code from the
// table's first word. A table is four such words or more; its neighbour behind it is taken for more of
// it, which leads to code near by.

import { addressOf, Image, isCode, NO_PLACE, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer } from './emit';

const WORD: u32 = 4;
const LEAST_WORDS: u32 = 4;
/** Tables are looked for from this far before the part to scan. */
const LEAD: u32 = 4096;
/** Bytes after it that tell whether a table begins in it. */
const REACH: u32 = LEAST_WORDS * WORD;

/** Emits the words of tables that begin in [from, to) of a read-only data section. */
export function scanJumpTables(image: Image, section: Section, from: u32, to: u32): void {
  const end = section.offset + section.bytes;
  const lead = from - min(LEAD, from - section.offset);
  const start = image.fileOffset + ((lead - image.fileOffset + WORD - 1) & ~(WORD - 1));
  const stop = min(end, to + REACH);
  if (start >= to || stop - start < REACH) return;
  const place = addressOf(image, start);
  if (place === NO_PLACE) return;
  const bytes = readOld(start, stop - start, scanBuffer);
  const length = (stop - start) & ~(WORD - 1);
  for (let at: u32 = 0; at + REACH <= length; ) {
    const last = load<u32>(bytes + <usize>(at + REACH - WORD));
    if (!mayLeadToCode(image, place + at, last)) {
      at += REACH;
      continue;
    }
    const words = wordsOfTable(image, bytes + <usize>at, (length - at) / WORD, place + at);
    if (words < LEAST_WORDS) {
      at += WORD;
      continue;
    }
    for (let i: u32 = 0; i < words; i++) {
      const offset = start + at + i * WORD;
      if (offset < from || offset >= to) continue;
      const target = place + at + load<u32>(bytes + <usize>(at + i * WORD));
      emit(offset, Kind.TABLE32, 0, target, place + at);
    }
    at += words * WORD;
  }
}

/** False if no table that begins with one of four words, the first of address `base`, has this fourth. */
@inline
function mayLeadToCode(image: Image, base: u32, word: u32): bool {
  const slack = REACH - WORD;
  return base + slack + word - image.codeFrom < image.codeBytes + slack;
}

function wordsOfTable(image: Image, bytes: usize, limit: u32, base: u32): u32 {
  let count: u32 = 0;
  while (count < limit && isCode(image, base + load<u32>(bytes + <usize>(count * WORD)))) count++;
  return count;
}
