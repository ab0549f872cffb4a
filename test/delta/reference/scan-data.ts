import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { u32 } from './word.ts';

/** Lower values are counts, sizes and flags. */
const LEAST = 0x1000;

/** The address in a word of the program's size, as a reference. */
function wordRef(old: Bytes, image: Image, offset: number): Ref[] {
  const value = image.is64 ? old.u64(offset) : BigInt(old.u32(offset));
  if (BigInt.asUintN(64, value - image.lowest) < LEAST) return [];
  const target = image.placeOf(value);
  if (target === undefined) return [];
  const kind = image.is64 ? Kind.address64 : Kind.address32;
  return [{ offset, kind, aux: 0, target, base: 0 }];
}

/** A field that counts from `base`, if it leads to a place of the image. */
export function offsetRef(
  image: Image,
  offset: number,
  kind: Kind,
  value: number,
  base: number,
): Ref[] {
  const target = u32(base + value);
  return image.isLoaded(target) ? [{ offset, kind, aux: 0, target, base: u32(base) }] : [];
}

/** Words, aligned to the file; of Go's type data also their halves. */
export function scanData(old: Bytes, image: Image, section: Section): Ref[] {
  const { wordBytes, fileOffset } = image;
  const end = section.offset + section.bytes;
  const refs: Ref[] = [];
  const skip = (wordBytes - ((section.offset - fileOffset) % wordBytes)) % wordBytes;
  for (let word = section.offset + skip; end - word >= wordBytes; word += wordBytes) {
    const found = wordRef(old, image, word);
    refs.push(...found);
    if (found.length > 0) continue;
    for (let half = 0; half < wordBytes; half += 4) {
      refs.push(...typeRef(image, word + half, old.u32(word + half)));
    }
  }
  return refs;
}

/** An offset from the beginning of Go's type data, inside of it. */
function typeRef(image: Image, offset: number, value: number): Ref[] {
  const types = image.go?.types;
  if (!types || offset < types.offset || offset >= types.offset + types.bytes) return [];
  if (value < LEAST || value >= types.bytes) return [];
  const base = types.address;
  return [{ offset, kind: Kind.fromTable, aux: 0, target: base + value, base }];
}

function entriesOf(section: Section): number[] {
  const count = Math.floor(section.bytes / section.entry);
  return Array.from({ length: count }, (_, i) => section.offset + i * section.entry);
}

export function scanSymbols(old: Bytes, image: Image, section: Section): Ref[] {
  const names = section.link?.role === 'strings' ? section.link : undefined;
  return entriesOf(section).flatMap((symbol) => {
    const refs: Ref[] = [];
    const name = old.u32(symbol);
    if (names && name !== 0 && name < names.bytes) {
      const base = names.offset;
      refs.push({ offset: symbol, kind: Kind.file32, aux: 0, target: base + name, base });
    }
    return [...refs, ...wordRef(old, image, symbol + (image.is64 ? 8 : 4))];
  });
}

export function scanRelocations(old: Bytes, image: Image, section: Section): Ref[] {
  const { is64 } = image;
  const symbols = section.link?.role === 'symbols' ? section.link : undefined;
  const steps = symbols && section.isPltRelocations;
  const addend = is64 ? 16 : 8;
  return entriesOf(section).flatMap((place) => {
    const refs: Ref[] = [];
    if (steps && place !== section.offset) {
      const kind = is64 ? Kind.step64 : Kind.step32;
      refs.push({ offset: place, kind, aux: section.entry, target: 0, base: 0 });
    } else refs.push(...wordRef(old, image, place));
    if (symbols) refs.push(...symbolRef(old, is64, place + (is64 ? 12 : 4), symbols));
    if (addend < section.entry) refs.push(...wordRef(old, image, place + addend));
    return refs;
  });
}

/** Buckets of .gnu.hash, and the number of the first symbol: 32-bit indices of symbols. */
export function scanGnuHash(old: Bytes, image: Image, section: Section): Ref[] {
  const symbols = section.link;
  if (symbols?.role !== 'symbols' || section.bytes < 16) return [];
  const buckets = old.u32(section.offset);
  const first = 16 + old.u32(section.offset + 8) * image.wordBytes;
  if (first + 4 * buckets > section.bytes) return [];
  const places = [4, ...Array.from({ length: buckets }, (_, i) => first + 4 * i)];
  return places.flatMap((place) => {
    const offset = section.offset + place;
    const index = old.u32(offset);
    if (index === 0 || index >= Math.floor(symbols.bytes / symbols.entry)) return [];
    const base = symbols.offset;
    const target = base + index * symbols.entry;
    return [{ offset, kind: Kind.file32, aux: symbols.entry, target, base }];
  });
}

/** ELF32 has the type of the relocation in the low 8 bits. */
function symbolRef(old: Bytes, is64: boolean, offset: number, symbols: Section): Ref[] {
  const field = old.u32(offset);
  const index = is64 ? field : field >>> 8;
  if (index === 0 || index >= Math.floor(symbols.bytes / symbols.entry)) return [];
  const base = symbols.offset;
  const target = base + index * symbols.entry;
  return [{ offset, kind: Kind.symbol, aux: is64 ? 0 : 8, target, base }];
}
