// What the common record (CIE) of call frame records says of how they hold addresses.

import { Image, Section } from '../elf/image';
import { readOld } from '../old';
import { sideBuffer } from './emit';

export const enum CieFact {
  /** First addresses are 32 bits, relative to their place. */
  START = 1,
  /** There is language-specific data, its address held likewise. */
  LSDA = 2,
}

/** DW_EH_PE_pcrel | DW_EH_PE_sdata4. */
const PC_RELATIVE: u32 = 0x1b;
const OMITTED: u32 = 0xff;

/** Bytes of a CIE that are looked at; those of compilers have about 24. */
const CIE_BYTES: u32 = 64;
/** Facts of the CIEs last asked for: 16 entries of 8 bytes, offset + 1 and facts. */
const MEMO: usize = 128;
const MEMO_BITS: u32 = 4;

let cursor: usize = 0;
let limit: usize = 0;

/** Comes before the first question about bytes that may have changed. */
export function forgetCies(): void {
  memory.fill(sideBuffer + MEMO, 0, <usize>8 << MEMO_BITS);
}

/** {@link CieFact}s of the record at `offset`: none when it is no CIE or an unusual one. */
export function cieFacts(image: Image, section: Section, offset: u32): u32 {
  const entry = sideBuffer + MEMO + <usize>((offset * 0x9e3779b1) >>> (32 - MEMO_BITS)) * 8;
  if (load<u32>(entry) !== offset + 1) {
    const facts = readFacts(image, section, offset);
    store<u32>(entry, offset + 1);
    store<u32>(entry, facts, 4);
  }
  return load<u32>(entry, 4);
}

function readFacts(image: Image, section: Section, offset: u32): u32 {
  const length = min(CIE_BYTES, section.offset + section.bytes - offset);
  const bytes = readOld(offset, length, sideBuffer);
  limit = bytes + length;
  // Length, id 0, version 1 or 3, an augmentation that begins with z.
  if (length < 16 || load<u32>(bytes, 4) !== 0 || load<u8>(bytes, 9) !== 0x7a) return 0;
  const version = <u32>load<u8>(bytes, 8);
  if (version !== 1 && version !== 3) return 0;
  let letter = bytes + 10;
  cursor = letter;
  while (next() !== 0) if (cursor >= limit) return 0;
  skipNumber();
  skipNumber();
  if (version === 1) next();
  else skipNumber();
  skipNumber();
  let facts: u32 = 0;
  for (; load<u8>(letter) !== 0; letter++) {
    const what = load<u8>(letter);
    if (what === 0x52) {
      if (next() === PC_RELATIVE) facts |= CieFact.START;
    } else if (what === 0x4c) {
      if (next() === PC_RELATIVE) facts |= CieFact.LSDA;
    } else if (what === 0x50) {
      if (!skipPointer(image, next())) return 0;
    }
  }
  return cursor > limit ? 0 : facts;
}

/** The next byte; zeros after the end, where `cursor` runs on. */
function next(): u32 {
  const byte: u32 = cursor < limit ? load<u8>(cursor) : 0;
  cursor++;
  return byte;
}

/** Skips a number in LEB128. */
function skipNumber(): void {
  while ((next() & 0x80) !== 0) if (cursor >= limit) return;
}

/** Skips a pointer; false when its size is not plain from its encoding. */
function skipPointer(image: Image, encoding: u32): bool {
  if (encoding === OMITTED) return true;
  const format = encoding & 15;
  if (format === 0) cursor += image.is64 ? 8 : 4;
  else if (format === 2 || format === 10) cursor += 2;
  else if (format === 3 || format === 11) cursor += 4;
  else if (format === 4 || format === 12) cursor += 8;
  else return false;
  return (encoding & 0x70) !== 0x50;
}
