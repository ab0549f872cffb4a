import type { Bytes } from './bytes.ts';
import { type Image, Machine, type Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { u32 } from './word.ts';

const LEAST_WORDS = 4;
/** Tables are looked for from this far before the part. */
const LEAD = 4096;

/** Jump tables of x86-64: words that count from the table's first one, to code (CODING.md). */
export function scanJumpTables(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  if (image.machine !== Machine.x64 || section.isWritable) return [];
  const lead = Math.max(section.offset, from - LEAD);
  const start = lead + ((image.fileOffset - lead) & 3);
  const bytes = Math.min(section.offset + section.bytes, to + 4 * LEAST_WORDS) - start;
  const place = image.addressOf(start);
  if (start >= to || place === undefined) return [];
  const isWord = (table: number, i: number) =>
    image.isCode(u32(place + 4 * table + old.u32(start + 4 * (table + i))));
  const refs: Ref[] = [];
  const all = bytes >> 2;
  for (let table = 0; table + LEAST_WORDS <= all;) {
    let words = 0;
    while (table + words < all && isWord(table, words)) words++;
    const base = u32(place + 4 * table);
    for (let i = 0; words >= LEAST_WORDS && i < words; i++) {
      const offset = start + 4 * (table + i);
      if (offset < from || offset >= to) continue;
      const target = u32(base + old.u32(offset));
      refs.push({ offset, kind: Kind.jumpTable, aux: 0, target, base });
    }
    table += words >= LEAST_WORDS ? words : 1;
  }
  return refs;
}
