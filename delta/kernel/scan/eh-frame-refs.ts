// Call frame information (.eh_frame) and its sorted table (.eh_frame_hdr), as the Linux Standard Base
// and DWARF lay them out: where functions begin, and their language-specific data.

import { Image, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emitOffset } from './data';
import { scanBuffer, SCAN_BUFFER_BYTES, sideBuffer } from './emit';
import { cieFacts, CieFact, forgetCies } from './cie';
import { closeRestart, noteRecord, openRestart, restartAt } from './restart';

/** From a record's first byte: its id, first address, length of augmentation data, and those. */
const ID: u32 = 4;
const START: u32 = 8;
const AUGMENTATION: u32 = 16;
const LSDA: u32 = 17;
/** Bytes of a record that are looked at. */
const HEAD_BYTES: u32 = 21;
/** Of the header's four encodings: version 1, pc-relative, plain count, relative to the header. */
const HEADER_ENCODINGS: u32 = 0x3b031b01;
const HEADER_BYTES: u32 = 12;

/** Notes where the records of an .eh_frame section begin. */
export function prepareEhFrame(section: Section): void {
  openRestart(section);
  let bytes: usize = 0;
  let begin: u32 = 0;
  let end: u32 = 0;
  let record: u32 = 0;
  while (section.bytes - record >= START) {
    if (end < record + 4) {
      begin = record;
      end = begin + min(<u32>SCAN_BUFFER_BYTES, section.bytes - begin);
      bytes = readOld(section.offset + begin, end - begin, scanBuffer);
    }
    const length = load<u32>(bytes + <usize>(record - begin));
    if (length > section.bytes - record - 4) break;
    noteRecord(section, record, record);
    record += 4 + length;
  }
  closeRestart(section, section.bytes);
}

/** Emits the references of an .eh_frame section whose fields begin in [from, to). */
export function scanEhFrame(image: Image, section: Section, from: u32, to: u32): void {
  const end = section.offset + section.bytes;
  const begin = from - section.offset < LSDA ? 0 : from - section.offset - LSDA;
  let record = section.offset + restartAt(section, begin);
  if (record >= to) return;
  const first = record;
  const readEnd = end - to < HEAD_BYTES ? end : to + HEAD_BYTES;
  const bytes = readOld(first, readEnd - first, scanBuffer);
  forgetCies();
  while (record < to && end - record >= START) {
    const at = bytes + <usize>(record - first);
    const length = load<u32>(at);
    if (length > end - record - 4) return;
    const id = load<u32>(at, ID);
    if (length >= AUGMENTATION - ID && id !== 0 && id <= record + ID - section.offset) {
      emitFde(image, section, record, at, length, record + ID - id, from, to);
    }
    record += 4 + length;
  }
}

function emitFde(
  image: Image,
  section: Section,
  record: u32,
  at: usize,
  length: u32,
  cie: u32,
  from: u32,
  to: u32,
): void {
  const start = record + START;
  const lsda = record + LSDA;
  const facts = cieFacts(image, section, cie);
  const address = section.address + (record - section.offset);
  if ((facts & CieFact.START) !== 0 && start >= from && start < to) {
    emitOffset(image, start, Kind.PC32, load<u32>(at, START), address + START);
  }
  if ((facts & CieFact.LSDA) === 0 || length < HEAD_BYTES - ID) return;
  if (load<u8>(at, AUGMENTATION) !== 4 || lsda < from || lsda >= to) return;
  const value = load<u32>(at, LSDA);
  if (value !== 0) emitOffset(image, lsda, Kind.PC32, value, address + LSDA);
}

/** True if an .eh_frame_hdr section is encoded as every linker does it. */
export function isUsualHeader(section: Section): bool {
  if (section.bytes < HEADER_BYTES) return false;
  return load<u32>(readOld(section.offset, 4, sideBuffer)) === HEADER_ENCODINGS;
}

/** Emits the references of an .eh_frame_hdr section whose fields begin in [from, to). */
export function scanEhFrameHeader(image: Image, section: Section, from: u32, to: u32): void {
  const end = section.offset + section.bytes;
  const first = from + ((section.offset - from) & 3);
  if (first >= to || end - first < 4) return;
  const bytes = readOld(first, min(end, to + 4) - first, scanBuffer);
  for (let offset = first; offset < to && end - offset >= 4; offset += 4) {
    const place = offset - section.offset;
    const value = load<u32>(bytes + <usize>(offset - first));
    if (place === 4) emitOffset(image, offset, Kind.PC32, value, section.address + 4);
    if (place < HEADER_BYTES) continue;
    emitOffset(image, offset, Kind.BASE32, value, section.address);
  }
}
