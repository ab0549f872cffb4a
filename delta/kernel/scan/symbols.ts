// Symbol tables: a name by its place in the string table, and an address.

import { Image, Role, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emitWord } from './data';
import { emit, scanBuffer } from './emit';

/** Emits the references of a symbol table whose fields begin in [from, to). */
export function scanSymbols(image: Image, section: Section, from: u32, to: u32): void {
  const entry = section.entry;
  const end = section.offset + section.bytes;
  const first = from - ((from - section.offset) % entry);
  const length = min(end, to + entry) - first;
  const bytes = readOld(first, length, scanBuffer);
  const valueAt: u32 = image.is64 ? 8 : 4;
  const names =
    section.link >= 0 && image.section(section.link).role === Role.STRINGS
      ? image.section(section.link)
      : null;
  for (let symbol = first; symbol < to && end - symbol >= entry; symbol += entry) {
    const at = bytes + <usize>(symbol - first);
    if (names !== null && symbol >= from) emitName(names, symbol, load<u32>(at));
    const value = symbol + valueAt;
    if (value >= from && value < to) emitWord(image, value, at + valueAt);
  }
}

/** Zero stands for no name. */
function emitName(names: Section, offset: u32, name: u32): void {
  if (name === 0 || name >= names.bytes) return;
  emit(offset, Kind.FILE32, 0, names.offset + name, names.offset);
}
