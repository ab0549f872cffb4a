// Arm exception tables (EHABI32 sections 6 and 7): every word of .ARM.exidx whose top bit is clear, and
// those of .ARM.extab, may lead to a function or a table, relative to itself.

import { addressOf, Image, isLoaded, NO_PLACE, Role, Section } from '../elf/image';
import { readOld } from '../old';
import { prel31Target } from '../refs/arm';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer } from './emit';
import { firstWord } from './data';

const WORD: u32 = 4;
/** In the second word of an index entry: the function cannot be unwound. */
const CANNOT_UNWIND: u32 = 1;

/** Emits the words of the section that begin in [from, to). */
export function scanArmUnwind(image: Image, section: Section, from: u32, to: u32): void {
  const end = section.offset + section.bytes;
  let offset = firstWord(image, section, from);
  if (offset < from) offset += WORD;
  if (offset >= to || end - offset < WORD) return;
  const place = addressOf(image, offset);
  if (place === NO_PLACE) return;
  const bytes = readOld(offset, min(end - offset, to - offset + WORD), scanBuffer);
  const last = min(to, end - WORD + 1);
  const isTable = section.role === Role.ARM_EXTAB;
  for (let at: u32 = 0; offset + at < last; at += WORD) {
    const word = load<u32>(bytes + <usize>at);
    if (word >>> 31 !== 0 || word === CANNOT_UNWIND) continue;
    const target = prel31Target(word, place + at);
    // Most words of the tables are instructions of the unwinder: only long ways are taken for addresses.
    if (isTable && (word >>> 24) !== 0x7f) continue;
    if (isLoaded(image, target)) emit(offset + at, Kind.A32_PREL31, 0, target, 0);
  }
}
