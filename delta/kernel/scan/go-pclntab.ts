// Go's function table (.gopclntab): pairs of a function's address and its record, then the records
// (runtime._func), each with places in tables of names, files and counters, and two lists.

import { Image, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emitOffset } from './data';
import { emit, scanBuffer } from './emit';
import { GoTables } from './go-tables';
import { restartAt } from './restart';

/** Fields of a record. */
const NAME: u32 = 4;
const DEFER_RETURN: u32 = 12;
const FIRST_COUNTER: u32 = 16;
const LAST_COUNTER: u32 = 24;
const COUNTER_LISTS: u32 = 28;
const UNIT: u32 = 32;

const MAX_COUNTER_LISTS: u32 = 64;
const MAX_RECORD_BYTES: u32 = 44 + 4 * (MAX_COUNTER_LISTS + 255);
const MAX_HEAD_BYTES: u32 = 44;
const PAIR_BYTES: u32 = 8;
const NOTHING: u32 = 0xffffffff;
/** Where pairs are read to, behind the records of a page; and more than can concern one page. */
const PAIRS_AT: usize = 8192;
const MAX_PAIRS: u32 = 256;

/** Emits the references of a Go function table whose fields begin in [from, to). */
export function scanPclntab(image: Image, section: Section, from: u32, to: u32): void {
  const tables = changetype<GoTables>(image.go);
  scanPairs(image, section, tables, from, to);
  if (section.restart !== 0) scanRecords(image, section, tables, from, to);
}

function scanPairs(image: Image, section: Section, tables: GoTables, from: u32, to: u32): void {
  const table = section.offset + tables.functab;
  const end = table + tables.functions * PAIR_BYTES;
  const base = section.address + tables.functab;
  const first = from <= table ? table : from + ((table - from) & 3);
  if (first >= to || first >= end) return;
  const last = min(to, end);
  const bytes = readOld(first, min(end, to + 4) - first, scanBuffer);
  for (let offset = first; offset < last; offset += 4) {
    const value = load<u32>(bytes + <usize>(offset - first));
    const isRecord = ((offset - table) & 4) !== 0;
    emitOffset(image, offset, Kind.OFF32, value, isRecord ? base : tables.text);
  }
}

function scanRecords(image: Image, section: Section, tables: GoTables, from: u32, to: u32): void {
  const table = section.offset + tables.functab;
  const end = section.offset + section.bytes;
  const reach = from - section.offset;
  const begin = reach < MAX_RECORD_BYTES ? section.offset : from - MAX_RECORD_BYTES;
  const first = restartAt(section, begin - section.offset);
  const count = min(MAX_PAIRS, tables.functions - first);
  if (count === 0) return;
  const pairBytes = count * PAIR_BYTES;
  const pairs = readOld(table + first * PAIR_BYTES, pairBytes, scanBuffer + PAIRS_AT);
  const readEnd = end - to < MAX_HEAD_BYTES ? end : to + MAX_HEAD_BYTES;
  const bytes = readOld(begin, readEnd - begin, scanBuffer);
  for (let i: u32 = 0; i < count; i++) {
    const record = table + load<u32>(pairs + <usize>(i * PAIR_BYTES), 4);
    if (record >= to) return;
    if (record < begin) continue;
    const isLast = i + 1 === count;
    const next = isLast ? end : table + load<u32>(pairs + <usize>((i + 1) * PAIR_BYTES), 4);
    const at = bytes + <usize>(record - begin);
    const counters = load<u32>(at, COUNTER_LISTS);
    const lists = <u32>load<u8>(at + tables.headBytes - 1);
    if (counters > MAX_COUNTER_LISTS) continue;
    if (next - record < tables.headBytes + 4 * (counters + lists)) continue;
    scanHead(image, section, tables, record, at, from, to);
    scanLists(image, section, tables, record, at, counters, lists, from, to);
  }
}

function scanHead(
  image: Image,
  section: Section,
  tables: GoTables,
  record: u32,
  at: usize,
  from: u32,
  to: u32,
): void {
  const entry = load<u32>(at);
  if (isWithin(record, from, to)) emitOffset(image, record, Kind.OFF32, entry, tables.text);
  if (isWithin(record + NAME, from, to)) {
    emitPlace(section, record + NAME, load<u32>(at, NAME), tables.names, 0);
  }
  const deferReturn = load<u32>(at, DEFER_RETURN);
  if (deferReturn !== 0 && isWithin(record + DEFER_RETURN, from, to)) {
    const base = tables.text + entry;
    emitOffset(image, record + DEFER_RETURN, Kind.OFF32, deferReturn, base);
  }
  for (let field = FIRST_COUNTER; field <= LAST_COUNTER; field += 4) {
    if (!isWithin(record + field, from, to)) continue;
    emitPlace(section, record + field, load<u32>(at + field), tables.counters, 0);
  }
  if (isWithin(record + UNIT, from, to)) {
    emitPlace(section, record + UNIT, load<u32>(at, UNIT), tables.units, 4);
  }
}

/** The lists: counters per program counter, then data per function. */
function scanLists(
  image: Image,
  section: Section,
  tables: GoTables,
  record: u32,
  at: usize,
  counters: u32,
  lists: u32,
  from: u32,
  to: u32,
): void {
  for (let i: u32 = 0; i < counters + lists; i++) {
    const field = tables.headBytes + 4 * i;
    if (!isWithin(record + field, from, to)) continue;
    const value = load<u32>(at + field);
    if (i < counters) emitPlace(section, record + field, value, tables.counters, 0);
    else if (tables.funcdata !== 0 && value !== NOTHING) {
      emitOffset(image, record + field, Kind.OFF32, value, tables.funcdata);
    }
  }
}

function isWithin(offset: u32, from: u32, to: u32): bool {
  return offset >= from && offset < to;
}

/** A place in a table of the section, in units of `scale` bytes (0: bytes); 0 and -1 are none. */
function emitPlace(section: Section, offset: u32, value: u32, table: u32, scale: u32): void {
  const unit = max<u32>(scale, 1);
  if (value === 0 || value >= (section.bytes - table) / unit) return;
  const base = section.offset + table;
  emit(offset, Kind.FILE32, scale, base + value * unit, base);
}
