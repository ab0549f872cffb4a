// Go's type data: besides addresses, its words hold offsets from the data's beginning, in halves.

import { Image, NO_PLACE, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { addressIn, emitWord, firstWord, wordBytesOf } from './data';
import { emit, scanBuffer } from './emit';
import { GoTables } from './go-tables';

/** Lower values are sizes and flags rather than offsets. */
const LEAST_OFFSET: u32 = 0x1000;

/** True if bytes of [from, to) are type data. */
export function hasTypes(image: Image, from: u32, to: u32): bool {
  if (image.go === 0) return false;
  const tables = changetype<GoTables>(image.go);
  return from < tables.typesOffset + (tables.typesEnd - tables.types) && to > tables.typesOffset;
}

/** Emits the references of a section with type data whose fields begin in [from, to). */
export function scanTypes(image: Image, section: Section, from: u32, to: u32): void {
  const wordBytes = wordBytesOf(image);
  const end = section.offset + section.bytes;
  const first = firstWord(image, section, from);
  if (first >= to || end - first < wordBytes) return;
  const bytes = readOld(first, min(end - first, to - first + wordBytes), scanBuffer);
  const last = min(to, end - wordBytes + 1);
  for (let word = first; word < last; word += wordBytes) {
    const at = bytes + <usize>(word - first);
    if (addressIn(image, at) !== NO_PLACE) {
      if (word >= from) emitWord(image, word, at);
      continue;
    }
    for (let half: u32 = 0; half < wordBytes; half += 4) {
      const offset = word + half;
      if (offset >= from && offset < to) emitTypeOffset(image, offset, load<u32>(at + half));
    }
  }
}

function emitTypeOffset(image: Image, offset: u32, value: u32): void {
  const tables = changetype<GoTables>(image.go);
  const typesBytes = tables.typesEnd - tables.types;
  if (offset < tables.typesOffset || offset - tables.typesOffset >= typesBytes) return;
  if (value < LEAST_OFFSET || value >= typesBytes) return;
  emit(offset, Kind.OFF32, 0, tables.types + value, tables.types);
}
