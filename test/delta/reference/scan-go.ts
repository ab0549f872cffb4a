import type { Bytes } from './bytes.ts';
import type { GoTables, Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { offsetRef } from './scan-data.ts';
import { u32 } from './word.ts';

const MAX_COUNTER_LISTS = 64;
const NOTHING = 0xffffffff;

/** Go's function table: pairs of an address and a record, then the records. */
export function scanPclntab(old: Bytes, image: Image, section: Section): Ref[] {
  const { go } = image;
  if (!go) return [];
  const table = section.offset + go.functab;
  const refs: Ref[] = [];
  for (let i = 0; i < 2 * go.functions; i++) {
    const offset = table + 4 * i;
    const base = i % 2 === 0 ? go.text : section.address + go.functab;
    refs.push(...offsetRef(image, offset, Kind.fromTable, old.u32(offset), base));
  }
  if (!go.hasRecords) return refs;
  for (let i = 0; i < go.functions; i++) {
    const record = table + old.u32(table + 8 * i + 4);
    const isLast = i + 1 === go.functions;
    const next = isLast ? section.offset + section.bytes : table + old.u32(table + 8 * i + 12);
    refs.push(...scanRecord(old, image, section, go, record, next));
  }
  return refs;
}

/** runtime._func: a head, lists of counters, lists of data. */
function scanRecord(
  old: Bytes,
  image: Image,
  section: Section,
  go: GoTables,
  record: number,
  next: number,
): Ref[] {
  const counters = old.u32(record + 28);
  const lists = old.u8(record + go.headBytes - 1);
  if (counters > MAX_COUNTER_LISTS) return [];
  if (next - record < go.headBytes + 4 * (counters + lists)) return [];
  const at = (field: number) => old.u32(record + field);
  const place = (field: number, table: number, unit = 0) =>
    placeRef(section, record + field, at(field), table, unit);
  const refs: Ref[] = [
    ...offsetRef(image, record, Kind.fromTable, at(0), go.text),
    ...place(4, go.names),
  ];
  if (at(12) !== 0) {
    const entry = u32(go.text + at(0));
    refs.push(...offsetRef(image, record + 12, Kind.fromTable, at(12), entry));
  }
  for (const field of [16, 20, 24]) refs.push(...place(field, go.counters));
  refs.push(...place(32, go.units, 4));
  for (let i = 0; i < counters; i++) refs.push(...place(go.headBytes + 4 * i, go.counters));
  for (let i = counters; i < counters + lists; i++) {
    const field = go.headBytes + 4 * i;
    if (!go.types || at(field) === NOTHING) continue;
    const { funcdata } = go.types;
    refs.push(...offsetRef(image, record + field, Kind.fromTable, at(field), funcdata));
  }
  return refs;
}

/** A place in a table of the section, in units of `unit` bytes (0: bytes). */
function placeRef(
  section: Section,
  offset: number,
  value: number,
  table: number,
  unit: number,
): Ref[] {
  const scale = Math.max(unit, 1);
  if (value === 0 || value >= Math.floor((section.bytes - table) / scale)) return [];
  const base = section.offset + table;
  return [{ offset, kind: Kind.file32, aux: unit, target: base + value * scale, base }];
}

/** Go's list of types: offsets in the type data. */
export function scanTypelink(old: Bytes, image: Image, section: Section): Ref[] {
  const types = image.go?.types;
  if (!types) return [];
  const refs: Ref[] = [];
  for (let place = 0; section.bytes - place >= 4; place += 4) {
    const value = old.u32(section.offset + place);
    if (value >= types.bytes) continue;
    const base = types.address;
    const offset = section.offset + place;
    refs.push({ offset, kind: Kind.fromTable, aux: 0, target: base + value, base });
  }
  return refs;
}
