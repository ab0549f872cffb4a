// The symbol hash table that dynamic linkers use (.gnu.hash): its buckets are indexes into the symbol
// table, which all move by the symbols that came before them.
// Source: Linux Standard Base 5.0 (DT_GNU_HASH); "GNU Hash ELF Sections", Ali Bahrami, 2010.

import { Image, Role, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer, sideBuffer } from './emit';

/** Numbers of buckets, of the first symbol, of filter words; the filter's shift. */
const HEAD_BYTES: u32 = 16;
const FIRST_SYMBOL: u32 = 4;

/** Emits the symbols named by the table's head and buckets whose fields begin in [from, to). */
export function scanGnuHash(image: Image, section: Section, from: u32, to: u32): void {
  if (section.link < 0 || section.bytes < HEAD_BYTES) return;
  const symbols = image.section(section.link);
  if (symbols.role !== Role.SYMBOLS) return;
  const head = readOld(section.offset, HEAD_BYTES, sideBuffer);
  const bucketCount = load<u32>(head);
  const filterWords = load<u32>(head, 8);
  const filterBytes = <u64>filterWords * (image.is64 ? 8 : 4);
  const bucketBytes = <u64>bucketCount * 4;
  if (filterBytes + bucketBytes > <u64>(section.bytes - HEAD_BYTES)) return;
  const first = section.offset + FIRST_SYMBOL;
  if (first >= from && first < to) emitSymbol(symbols, first, load<u32>(head, FIRST_SYMBOL));
  const buckets = section.offset + HEAD_BYTES + <u32>filterBytes;
  const end = min(to, buckets + <u32>bucketBytes);
  // Buckets are words from the section's first byte on.
  const start = max(buckets, from + ((section.offset - from) & 3));
  if (start >= end) return;
  const bytes = readOld(start, (end - start + 3) & ~3, scanBuffer);
  for (let at = start; at < end; at += 4) emitSymbol(symbols, at, load<u32>(bytes + (at - start)));
}

/** Zero stands for no symbol. */
function emitSymbol(symbols: Section, offset: u32, index: u32): void {
  if (index === 0 || index >= symbols.bytes / symbols.entry) return;
  const target = symbols.offset + index * symbols.entry;
  emit(offset, Kind.FILE32, symbols.entry, target, symbols.offset);
}
