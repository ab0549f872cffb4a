// Records of an .eh_frame section, of old or new bytes: one after another, each of at most 4096 bytes.

import { alloc } from '../memory';
import { readOld } from '../old';
import { cieFacts } from './eh-cie';

export const MAX_RECORD: u32 = 8192;
/** Bytes of a section: larger ones are ordinary data. */
export const MAX_EH_SECTION: u32 = 16 << 20;
/** Bytes of a record that describes code: up to the length of its augmentation data. */
const MIN_FDE: u32 = 17;

export const enum EhKind {
  /** Four zero bytes: the end of what one object file brought. */
  END = 0,
  CIE = 1,
  FDE = 2,
}

@unmanaged
export class EhRecord {
  /** From the section's first byte. */
  at: u32;
  bytes: u32;
  kind: u32;
  /** Of an FDE: where its CIE begins, and the CIE's facts (eh-cie.ts). */
  cie: u32;
  facts: u32;
  /** First address and bytes of the code. */
  start: u32;
  range: u32;
}

/** Facts of CIEs, by place: 64 entries of 8 bytes, place + 1 and facts. */
const FACTS_BITS: u32 = 6;

@unmanaged
export class EhSection {
  /** Of old bytes: the first one. */
  offset: u32;
  bytes: u32;
  /** Address of the first byte, in the address space. */
  address: u32;
  /** Bytes of an address. */
  wordBytes: u32;
  /** The bytes when they are in memory, 0 when they are old ones. */
  memory: usize;
  facts: usize;
}

export function newEhRecord(): EhRecord {
  return changetype<EhRecord>(alloc(offsetof<EhRecord>()));
}

export function newEhSection(): EhSection {
  const section = changetype<EhSection>(alloc(offsetof<EhSection>()));
  section.facts = alloc(<usize>8 << FACTS_BITS);
  return section;
}

const WINDOW_BYTES: u32 = 20480;
const WINDOW_BACK: u32 = 8192;

let window: usize = 0;
/** What the window holds: old bytes from `windowStart` up to `windowEnd`, at `windowAt`. */
let windowAt: usize = 0;
let windowStart: u32 = 0;
let windowEnd: u32 = 0;

export function openEhRecords(): void {
  window = alloc(<usize>WINDOW_BYTES);
  windowEnd = windowStart = 0;
}

/** Sets the section; what is known of another one's bytes is forgotten. */
export function setEhSection(
  section: EhSection,
  offset: u32,
  bytes: u32,
  address: u32,
  wordBytes: u32,
  memoryAt: usize,
): void {
  section.offset = offset;
  section.bytes = bytes;
  section.address = address;
  section.wordBytes = wordBytes;
  section.memory = memoryAt;
  memory.fill(section.facts, 0, <usize>8 << FACTS_BITS);
  windowEnd = windowStart = 0;
}

/** `length` bytes, at most MAX_RECORD, of the section from `at`; until the next call. They must lie in it. */
@inline
export function viewEh(section: EhSection, at: u32, length: u32): usize {
  if (section.memory !== 0) return section.memory + <usize>at;
  const offset = section.offset + at;
  if (offset < windowStart || offset + length > windowEnd) {
    const start = section.offset + (at < WINDOW_BACK ? 0 : at - WINDOW_BACK);
    const size = min(WINDOW_BYTES, section.offset + section.bytes - start);
    windowAt = readOld(start, size, window);
    windowStart = start;
    windowEnd = start + size;
  }
  return windowAt + <usize>(offset - windowStart);
}

/** Bytes of the record at `at`, 0 when it is malformed. */
@inline
export function recordBytes(section: EhSection, at: u32): u32 {
  if (at >= section.bytes || section.bytes - at < 4) return 0;
  const length = load<u32>(viewEh(section, at, 4));
  if (length === 0) return 4;
  if (length < 8 || length > MAX_RECORD - 4 || length > section.bytes - at - 4) return 0;
  return length + 4;
}

/** Reads the record at `at`; false when it is malformed or of a layout that is not coded. */
export function readEhRecord(section: EhSection, at: u32, record: EhRecord): bool {
  const bytes = recordBytes(section, at);
  if (bytes === 0) return false;
  record.at = at;
  record.bytes = bytes;
  record.kind = EhKind.END;
  if (bytes === 4) return true;
  const view = viewEh(section, at, bytes);
  const id = load<u32>(view, 4);
  if (id === 0) {
    record.kind = EhKind.CIE;
    return cieFacts(view, bytes, section.wordBytes) !== 0;
  }
  if (bytes < MIN_FDE || id > at + 4) return false;
  record.kind = EhKind.FDE;
  record.cie = at + 4 - id;
  record.start = section.address + at + 8 + load<u32>(view, 8);
  record.range = load<u32>(view, 12);
  record.facts = factsAt(section, record.cie);
  return record.facts !== 0;
}

@inline
function factsAt(section: EhSection, cie: u32): u32 {
  const entry = section.facts + ((<usize>((cie * 0x9e3779b1) >>> (32 - FACTS_BITS))) << 3);
  if (load<u32>(entry) !== cie + 1) {
    const bytes = recordBytes(section, cie);
    const facts = bytes === 0 ? 0 : cieFacts(viewEh(section, cie, bytes), bytes, section.wordBytes);
    store<u32>(entry, cie + 1);
    store<u32>(entry, facts, 4);
  }
  return load<u32>(entry, 4);
}
