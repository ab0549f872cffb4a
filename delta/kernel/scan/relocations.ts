// Relocations: the address to change, the symbol by its index, and with RELA the addend, which is an
// address when there is no symbol. Those of a procedure linkage table go up by equal steps.

import { Image, Role, Section, SectionFlag } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emitWord } from './data';
import { emit, scanBuffer } from './emit';

/** Emits the references of a relocation table whose fields begin in [from, to). */
export function scanRelocations(image: Image, section: Section, from: u32, to: u32): void {
  const entry = section.entry;
  const end = section.offset + section.bytes;
  const first = from - ((from - section.offset) % entry);
  const bytes = readOld(first, min(end, to + entry) - first, scanBuffer);
  const symbols =
    section.link >= 0 && image.section(section.link).role === Role.SYMBOLS
      ? image.section(section.link)
      : null;
  const steps = symbols !== null && (section.flags & SectionFlag.PLT) !== 0;
  const symbolAt: u32 = image.is64 ? 12 : 4;
  const addendAt: u32 = image.is64 ? 16 : 8;
  for (let place = first; place < to && end - place >= entry; place += entry) {
    const at = bytes + <usize>(place - first);
    if (place >= from) {
      if (steps && place !== section.offset) emitStep(image, place, entry);
      else emitWord(image, place, at);
    }
    const symbol = place + symbolAt;
    if (symbols !== null && symbol >= from && symbol < to) {
      emitSymbol(image, symbols, symbol, load<u32>(at + symbolAt));
    }
    const addend = place + addendAt;
    if (addendAt < entry && addend >= from && addend < to) emitWord(image, addend, at + addendAt);
  }
}

function emitStep(image: Image, offset: u32, entry: u32): void {
  emit(offset, image.is64 ? Kind.STEP64 : Kind.STEP32, entry, 0, 0);
}

/** ELF32 has the type of the relocation in the low 8 bits. */
function emitSymbol(image: Image, symbols: Section, offset: u32, field: u32): void {
  const index = image.is64 ? field : field >> 8;
  if (index === 0 || index >= symbols.bytes / symbols.entry) return;
  const target = symbols.offset + index * symbols.entry;
  emit(offset, Kind.SYMBOL, image.is64 ? 0 : 8, target, symbols.offset);
}
