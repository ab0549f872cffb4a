import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { offsetRef } from './scan-data.ts';

/** DW_EH_PE_pcrel | DW_EH_PE_sdata4. */
const PC_RELATIVE = 0x1b;

interface CieFacts {
  readonly hasStart: boolean;
  readonly hasLsda: boolean;
}

const NO_FACTS: CieFacts = { hasStart: false, hasLsda: false };

/** Where functions begin and where their language-specific data is. */
export function scanEhFrame(old: Bytes, image: Image, section: Section): Ref[] {
  const refs: Ref[] = [];
  const end = section.offset + section.bytes;
  let record = section.offset;
  while (end - record >= 8) {
    const length = old.u32(record);
    if (length > end - record - 4) break;
    const id = old.u32(record + 4);
    if (length >= 12 && id !== 0 && id <= record + 4 - section.offset) {
      const facts = cieFacts(old, image, record + 4 - id, end);
      const address = section.address + (record - section.offset);
      if (facts.hasStart) {
        const value = old.u32(record + 8);
        refs.push(...offsetRef(image, record + 8, Kind.fromPlace, value, address + 8));
      }
      if (facts.hasLsda && length >= 17 && old.u8(record + 16) === 4) {
        const value = old.u32(record + 17);
        if (value !== 0) {
          refs.push(...offsetRef(image, record + 17, Kind.fromPlace, value, address + 17));
        }
      }
    }
    record += 4 + length;
  }
  return refs;
}

/** Of the CIE at `offset`, of which 64 bytes are looked at. */
function cieFacts(old: Bytes, image: Image, offset: number, sectionEnd: number): CieFacts {
  const limit = offset + Math.min(64, sectionEnd - offset);
  if (limit - offset < 16 || old.u32(offset + 4) !== 0 || old.u8(offset + 9) !== 0x7a) {
    return NO_FACTS;
  }
  const version = old.u8(offset + 8);
  if (version !== 1 && version !== 3) return NO_FACTS;
  let cursor = offset + 10;
  /** Zeros after the end. */
  const next = () => {
    const byte = cursor < limit ? old.u8(cursor) : 0;
    cursor++;
    return byte;
  };
  const skipNumber = () => {
    while ((next() & 0x80) !== 0 && cursor < limit);
  };
  const letters: number[] = [];
  for (let letter = next(); letter !== 0; letter = next()) {
    letters.push(letter);
    if (cursor >= limit) return NO_FACTS;
  }
  skipNumber();
  skipNumber();
  if (version === 1) next();
  else skipNumber();
  skipNumber();
  let hasStart = false;
  let hasLsda = false;
  for (const letter of letters) {
    if (letter === 0x52) hasStart = next() === PC_RELATIVE || hasStart;
    else if (letter === 0x4c) hasLsda = next() === PC_RELATIVE || hasLsda;
    else if (letter === 0x50) {
      const bytes = pointerBytes(next(), image.wordBytes);
      if (bytes === undefined) return NO_FACTS;
      cursor += bytes;
    }
  }
  return cursor > limit ? NO_FACTS : { hasStart, hasLsda };
}

/** Undefined when the size is not plain from the encoding. */
function pointerBytes(encoding: number, wordBytes: number): number | undefined {
  if (encoding === 0xff) return 0;
  if ((encoding & 0x70) === 0x50) return undefined;
  switch (encoding & 15) {
    case 0:
      return wordBytes;
    case 2:
    case 10:
      return 2;
    case 3:
    case 11:
      return 4;
    case 4:
    case 12:
      return 8;
    default:
      return undefined;
  }
}

/** The place of .eh_frame, and from byte 12 on pairs of places. */
export function scanEhFrameHeader(old: Bytes, image: Image, section: Section): Ref[] {
  const refs: Ref[] = [];
  for (let place = 4; section.bytes - place >= 4; place += 4) {
    if (place === 8) continue;
    const offset = section.offset + place;
    const isFirst = place === 4;
    const base = isFirst ? section.address + 4 : section.address;
    const kind = isFirst ? Kind.fromPlace : Kind.fromBase;
    refs.push(...offsetRef(image, offset, kind, old.u32(offset), base));
  }
  return refs;
}
