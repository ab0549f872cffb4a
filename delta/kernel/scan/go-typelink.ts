// Go's list of types (.typelink): offsets from the beginning of the type data.

import { Image, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer } from './emit';
import { GoTables } from './go-tables';

/** Emits the references of a list of types whose fields begin in [from, to). */
export function scanTypelink(image: Image, section: Section, from: u32, to: u32): void {
  if (image.go === 0) return;
  const tables = changetype<GoTables>(image.go);
  if (tables.types === 0) return;
  const end = section.offset + section.bytes;
  const first = from + ((section.offset - from) & 3);
  if (first >= to || end - first < 4) return;
  const bytes = readOld(first, min(end, to + 4) - first, scanBuffer);
  for (let offset = first; offset < to && end - offset >= 4; offset += 4) {
    const value = load<u32>(bytes + <usize>(offset - first));
    if (value >= tables.typesEnd - tables.types) continue;
    emit(offset, Kind.OFF32, 0, tables.types + value, tables.types);
  }
}
