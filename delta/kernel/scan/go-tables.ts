// What a Go program says of itself: the header of its function table (runtime.pcHeader of Go's
// runtime/symtab.go, Go 1.18 on), and from the module data where types and function data begin.

import {
  Image,
  NO_PLACE,
  offsetOf,
  placeOf,
  Role,
  Section,
  SectionFlag,
  valueOf,
} from '../elf/image';
import { alloc } from '../memory';
import { readOld } from '../old';
import { scanBuffer, SCAN_BUFFER_BYTES, sideBuffer } from './emit';
import { closeRestart, noteRecord, openRestart } from './restart';

/** Of the first Go function table of an image; places are bytes from the section's first. */
@unmanaged
export class GoTables {
  /** Functions in the table; each has a pair of 32-bit words: where its code is, its record. */
  functions: u32;
  functab: u32;
  names: u32;
  units: u32;
  counters: u32;
  /** Bytes of a function's record before its lists. */
  headBytes: u32;
  /** Addresses. `types` and `funcdata` are 0 when the module data was not found. */
  text: u32;
  types: u32;
  typesEnd: u32;
  funcdata: u32;
  /** Where the type data lies among the old bytes. */
  typesOffset: u32;
}

const GO_1_18: u32 = 0xfffffff0;
const GO_1_20: u32 = 0xfffffff1;
const HEADER_BYTES: u32 = 72;
const PAIR_BYTES: u32 = 8;

/** Words of the module data (runtime.moduledata of Go 1.20 on; Go 1.18 has two fewer before these). */
const TYPES: u32 = 37;
const FUNCDATA: u32 = 40;
const WORDS_LESS: u32 = 2;

/** Reads the tables of `section`; false, and nothing noted, when they are not what Go writes. */
export function prepareGo(image: Image, section: Section): bool {
  const wordBytes: u32 = image.is64 ? 8 : 4;
  if (image.go !== 0 || section.bytes < HEADER_BYTES) return false;
  const header = readOld(section.offset, HEADER_BYTES, sideBuffer);
  const magic = load<u32>(header);
  if ((magic !== GO_1_18 && magic !== GO_1_20) || load<u8>(header, 7) !== <u8>wordBytes)
    return false;
  const functions = word(header + 8, 0, wordBytes);
  const text = word(header + 8, 2, wordBytes);
  const names = word(header + 8, 3, wordBytes);
  const units = word(header + 8, 4, wordBytes);
  const counters = word(header + 8, 6, wordBytes);
  const functab = word(header + 8, 7, wordBytes);
  const bytes = section.bytes;
  if (names >= bytes || units >= bytes || counters >= bytes || functab >= bytes) return false;
  if (functions === 0 || functions > (bytes - functab) / PAIR_BYTES) return false;
  const textAddress = text === 0 ? textSection(image) : placeOf(image, text);
  if (textAddress === NO_PLACE) return false;
  const tables = changetype<GoTables>(alloc(offsetof<GoTables>()));
  tables.functions = <u32>functions;
  tables.functab = <u32>functab;
  tables.names = <u32>names;
  tables.units = <u32>units;
  tables.counters = <u32>counters;
  tables.headBytes = magic === GO_1_18 ? 40 : 44;
  tables.text = textAddress;
  image.go = changetype<usize>(tables);
  if (!noteRecords(section, tables)) section.restart = 0;
  findModule(image, section, tables, magic === GO_1_18 ? WORDS_LESS : 0);
  return true;
}

function word(at: usize, index: u32, wordBytes: u32): u64 {
  const place = at + <usize>(index * wordBytes);
  return wordBytes === 8 ? load<u64>(place) : <u64>load<u32>(place);
}

/** Position-independent programs leave the text's address to the loader. */
function textSection(image: Image): u32 {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    if (section.flags & SectionFlag.TEXT) return section.address;
  }
  return NO_PLACE;
}

/** Go's linker writes records in the order of the table; false when these are not so. */
function noteRecords(section: Section, tables: GoTables): bool {
  const limit = section.bytes - tables.headBytes;
  const perRead = <u32>(SCAN_BUFFER_BYTES / PAIR_BYTES);
  let least = tables.functab + tables.functions * PAIR_BYTES;
  openRestart(section);
  for (let i: u32 = 0; i < tables.functions; i += perRead) {
    const count = min(perRead, tables.functions - i);
    const place = section.offset + tables.functab + i * PAIR_BYTES;
    const pairs = readOld(place, count * PAIR_BYTES, scanBuffer);
    for (let k: u32 = 0; k < count; k++) {
      const distance = load<u32>(pairs + <usize>(k * PAIR_BYTES), 4);
      if (distance > section.bytes - tables.functab) return false;
      const record = tables.functab + distance;
      if (record < least || record > limit) return false;
      noteRecord(section, record, i + k);
      least = record + tables.headBytes;
    }
  }
  closeRestart(section, tables.functions);
  return true;
}

/** Looks through writable data for the module data: it begins with the table's and the names' place. */
function findModule(image: Image, section: Section, tables: GoTables, less: u32): void {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const data = image.section(i);
    const isCandidate = data.role === Role.DATA && (data.flags & SectionFlag.WRITABLE) !== 0;
    if (isCandidate && findModuleIn(image, data, section, tables, less)) return;
  }
}

function findModuleIn(
  image: Image,
  data: Section,
  section: Section,
  tables: GoTables,
  less: u32,
): bool {
  const wordBytes: u32 = image.is64 ? 8 : 4;
  const moduleBytes = (FUNCDATA - less + 1) * wordBytes;
  const header = valueOf(image, section.address);
  const end = data.offset + data.bytes;
  let place =
    image.fileOffset + ((data.offset - image.fileOffset + wordBytes - 1) & ~(wordBytes - 1));
  while (place < end && end - place >= moduleBytes) {
    const length = min(<u32>SCAN_BUFFER_BYTES, end - place);
    const bytes = readOld(place, length, scanBuffer);
    const count = length / wordBytes - 1;
    for (let k: u32 = 0; k < count; k++) {
      if (word(bytes, k, wordBytes) !== header) continue;
      if (word(bytes, k + 1, wordBytes) !== header + tables.names) continue;
      const found = place + k * wordBytes;
      return end - found >= moduleBytes && readModule(image, found, tables, less);
    }
    place += count * wordBytes;
  }
  return false;
}

function readModule(image: Image, module: u32, tables: GoTables, less: u32): bool {
  const wordBytes: u32 = image.is64 ? 8 : 4;
  const place = module + (TYPES - less) * wordBytes;
  const words = readOld(place, (FUNCDATA - TYPES + 1) * wordBytes, sideBuffer);
  const types = placeOf(image, word(words, 0, wordBytes));
  const typesEnd = placeOf(image, word(words, 1, wordBytes));
  const funcdata = placeOf(image, word(words, FUNCDATA - TYPES, wordBytes));
  if (types === NO_PLACE || typesEnd === NO_PLACE || types >= typesEnd) return false;
  const offset = offsetOf(image, types);
  if (funcdata === NO_PLACE || offset === NO_PLACE) return false;
  tables.types = types;
  tables.typesEnd = typesEnd;
  tables.typesOffset = offset;
  tables.funcdata = funcdata;
  return true;
}
