import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { u32 } from './word.ts';

/** In the second word of an index entry: the function cannot be unwound. */
const CANNOT_UNWIND = 1;

/** Arm exception tables (EHABI32): words that lead somewhere, relative to themselves. */
export function scanArmUnwind(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  const first = from + ((image.fileOffset - from) & 3);
  const address = image.addressOf(first);
  if (first >= to || address === undefined) return [];
  const refs: Ref[] = [];
  for (
    let offset = first;
    offset < to && offset + 4 <= section.offset + section.bytes;
    offset += 4
  ) {
    const word = old.u32(offset);
    if (word >>> 31 !== 0 || word === CANNOT_UNWIND) continue;
    // Most words of the tables are instructions of the unwinder: only long ways are addresses.
    if (section.role === 'arm-extab' && word >>> 24 !== 0x7f) continue;
    const target = u32(address + (offset - first) + ((word << 1) >> 1));
    if (!image.isLoaded(target)) continue;
    refs.push({ offset, kind: Kind.armUnwind, aux: 0, target, base: 0 });
  }
  return refs;
}
