// Records of an old .eh_frame (CODING.md, "Call frame records").

import { Bytes } from './bytes.ts';
import { check, u32 } from './word.ts';

export const MAX_RECORD = 8192;
const MAX_SECTION = 16 << 20;

/** Places in a record that describes code. */
export const CIE_AT = 4;
export const START_AT = 8;
export const RANGE_AT = 12;
export const AUGMENTATION_AT = 16;
export const DATA_AT = 17;

/** Numbers that contexts have. */
export const EhKind = { end: 0, cie: 1, fde: 2 } as const;

export type EhKind = (typeof EhKind)[keyof typeof EhKind];

/** What a CIE says of the records that name it. */
export interface CieFacts {
  /** Code alignment factor. */
  readonly factor: number;
  /** Bytes of the address of language-specific data: 0, 4 or 8. */
  readonly lsdaBytes: number;
}

export interface EhRecord {
  readonly kind: EhKind;
  /** From the section's first byte. */
  readonly at: number;
  readonly bytes: Bytes;
  /** Address of its first byte. */
  readonly address: number;
  /** Of an FDE: place of its CIE, and what that says. */
  readonly cie: number;
  readonly facts: CieFacts;
  /** First address and bytes of the code. */
  readonly start: number;
  readonly range: number;
}

const NO_FACTS: CieFacts = { factor: 1, lsdaBytes: 0 };

export class EhRecords {
  readonly #section: Bytes;
  readonly #address: number;
  readonly #wordBytes: number;
  readonly #places: readonly number[];

  /** `section` holds the old bytes; all of them must be records, if perhaps of unknown layouts. */
  constructor(section: Bytes, address: number, wordBytes: number) {
    check(section.length <= MAX_SECTION, '.eh_frame too large');
    this.#section = section;
    this.#address = address;
    this.#wordBytes = wordBytes;
    const places: number[] = [];
    for (let at = 0; at < section.length;) {
      places.push(at);
      const bytes = recordBytes(section, at);
      check(bytes !== undefined, 'malformed old record');
      at += bytes;
    }
    check(places.length > 0, 'no old record');
    this.#places = places;
  }

  get count(): number {
    return this.#places.length;
  }

  /** The record of that index; a fault if its layout is not a known one. */
  get(index: number): EhRecord {
    const at = this.#places[index];
    check(at !== undefined, 'no such old record');
    const section = this.#section;
    const bytes = section.copy(at, recordBytes(section, at) ?? 0);
    const address = this.#address + at;
    const none = { at, bytes, address, cie: 0, facts: NO_FACTS, start: 0, range: 0 };
    if (bytes.length === 4) return { ...none, kind: EhKind.end };
    const id = bytes.u32(CIE_AT);
    if (id === 0) {
      check(cieFacts(bytes, this.#wordBytes) !== undefined, 'unknown layout of a CIE');
      return { ...none, kind: EhKind.cie };
    }
    check(bytes.length >= DATA_AT && id <= at + 4, 'malformed FDE');
    const cie = at + 4 - id;
    const facts = this.#factsAt(cie);
    check(facts !== undefined, 'FDE of an unknown CIE');
    const start = u32(address + START_AT + bytes.u32(START_AT));
    return { ...none, kind: EhKind.fde, cie, facts, start, range: bytes.u32(RANGE_AT) };
  }

  #factsAt(cie: number): CieFacts | undefined {
    const bytes = recordBytes(this.#section, cie);
    return bytes === undefined
      ? undefined
      : cieFacts(this.#section.copy(cie, bytes), this.#wordBytes);
  }
}

/** Bytes of the record at `at`; undefined when it is malformed. */
function recordBytes(section: Bytes, at: number): number | undefined {
  const left = section.length - at;
  if (left < 4) return undefined;
  const length = section.u32(at);
  if (length === 0) return 4;
  return length < 8 || length > MAX_RECORD - 4 || length > left - 4 ? undefined : length + 4;
}

/** DW_EH_PE_pcrel with sdata4, and with sdata8. */
const PC_RELATIVE_4 = 0x1b;
const PC_RELATIVE_8 = 0x1c;

/** Undefined when it is none, or of a layout that compilers do not write. */
function cieFacts(cie: Bytes, wordBytes: number): CieFacts | undefined {
  if (cie.length < 16 || cie.u32(4) !== 0) return undefined;
  if (cie.u8(8) !== 1 && cie.u8(8) !== 3) return undefined;
  const end = cie.array.indexOf(0, 9);
  const letters = String.fromCharCode(...cie.array.subarray(9, end));
  if (end < 0 || letters.length > 7 || !letters.startsWith('z')) return undefined;
  // Code and data alignment, return address register, bytes of the augmentation's data.
  let data = end + 1;
  const numbers = cie.array.subarray(data, data + 4);
  const factor = numbers[0] ?? 0;
  if (numbers.length < 4 || numbers.some((byte) => byte > 127) || factor === 0) return undefined;
  data += 4;
  let lsdaBytes = 0;
  let isRelative = false;
  for (const letter of letters.slice(1)) {
    if ('SBG'.includes(letter)) continue;
    const encoding = cie.array[data++];
    if (encoding === undefined) return undefined;
    if (letter === 'R' && encoding === PC_RELATIVE_4) isRelative = true;
    else if (letter === 'L' && encoding === PC_RELATIVE_4) lsdaBytes = 4;
    else if (letter === 'L' && encoding === PC_RELATIVE_8) lsdaBytes = 8;
    else {
      const bytes = letter === 'P' ? pointerBytes(encoding, wordBytes) : undefined;
      if (bytes === undefined) return undefined;
      data += bytes;
    }
  }
  return isRelative && data <= cie.length ? { factor, lsdaBytes } : undefined;
}

function pointerBytes(encoding: number, wordBytes: number): number | undefined {
  if (encoding === 0xff) return 0;
  return [wordBytes, undefined, 2, 4, 8][encoding & 7];
}
