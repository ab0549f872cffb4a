// Plain data: every aligned word whose value is an address of the image is taken for a reference.

import { Image, isLoaded, NO_PLACE, placeOf, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer } from './emit';

/** Lower values are counts and sizes rather than addresses. */
const LEAST_ADDRESS: u64 = 0x1000;

/** Emits the references of a data section whose fields begin in [from, to). */
export function scanData(image: Image, section: Section, from: u32, to: u32): void {
  const wordBytes = wordBytesOf(image);
  const end = section.offset + section.bytes;
  const first = firstWord(image, section, from);
  if (first >= to || end - first < wordBytes) return;
  const bytes = readOld(first, min(end - first, to - first + wordBytes), scanBuffer);
  const last = min(to, end - wordBytes + 1);
  for (let offset = first; offset < last; offset += wordBytes) {
    if (offset >= from) emitWord(image, offset, bytes + <usize>(offset - first));
  }
}

/** Bytes of a word: 8 or 4. */
export function wordBytesOf(image: Image): u32 {
  return image.is64 ? 8 : 4;
}

/** The first word that does not end before `from`; words are aligned to the file. */
export function firstWord(image: Image, section: Section, from: u32): u32 {
  const wordBytes = wordBytesOf(image);
  const aligned = image.fileOffset + ((from - image.fileOffset) & ~(wordBytes - 1));
  return aligned >= section.offset ? aligned : aligned + wordBytes;
}

/** Emits the word at `offset` if it holds an address; true if it does. */
export function emitWord(image: Image, offset: u32, at: usize): bool {
  const address = addressIn(image, at);
  if (address === NO_PLACE) return false;
  emit(offset, image.is64 ? Kind.ABS64 : Kind.ABS32, 0, address, 0);
  return true;
}

/** The place of the address that a word holds, or NO_PLACE. */
@inline
export function addressIn(image: Image, at: usize): u32 {
  const value = image.is64 ? load<u64>(at) : <u64>load<u32>(at);
  const distance = value - image.lowest;
  if (distance >= image.addressSpan || distance < LEAST_ADDRESS) return NO_PLACE;
  return placeOf(image, value);
}

/** Emits a field of 32 bits that counts from `base`, when it leads to a place of the image. */
export function emitOffset(image: Image, offset: u32, kind: u32, value: u32, base: u32): void {
  const target = base + value;
  if (isLoaded(image, target)) emit(offset, kind, 0, target, base);
}
