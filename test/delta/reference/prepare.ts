// What is known of a program's tables before any page is scanned (CODING.md, "Tables").

import type { Bytes } from './bytes.ts';
import type { GoTables, GoTypes, Image, Section } from './image.ts';

/** Version 1, pc-relative, plain count, relative to the header. */
const USUAL_HEADER = 0x3b031b01;
const GO_1_18 = 0xfffffff0;
const GO_1_20 = 0xfffffff1;
/** Words of the module data, as Go 1.20 has them; Go 1.18 has two fewer before these. */
const TYPES = 37;
const FUNCDATA = 40;

/** Tables that are not as their scanners expect them become plain data. */
export function prepareTables(image: Image, old: Bytes): void {
  for (const section of image.sections) {
    if (section.role === 'eh-frame-hdr' && !isUsualHeader(section, old)) section.role = 'data';
    if (section.role !== 'go-pclntab') continue;
    const tables = image.go ? undefined : goTables(image, section, old);
    if (tables) image.go = tables;
    else section.role = 'data';
  }
}

function isUsualHeader(section: Section, old: Bytes): boolean {
  return section.bytes >= 12 && old.u32(section.offset) === USUAL_HEADER;
}

function goTables(image: Image, section: Section, old: Bytes): GoTables | undefined {
  const { offset, bytes } = section;
  const { wordBytes } = image;
  if (bytes < 72) return undefined;
  const magic = old.u32(offset);
  if ((magic !== GO_1_18 && magic !== GO_1_20) || old.u8(offset + 7) !== wordBytes) {
    return undefined;
  }
  const word = (index: number) => readWord(old, offset + 8 + index * wordBytes, wordBytes);
  const places = [word(3), word(4), word(6), word(7)];
  if (places.some((place) => place >= BigInt(bytes))) return undefined;
  const [names = 0, units = 0, counters = 0, functab = 0] = places.map(Number);
  const functions = word(0);
  if (functions === 0n || functions > BigInt(Math.floor((bytes - functab) / 8))) return undefined;
  const text = word(2) === 0n ? textAddress(image) : image.placeOf(word(2));
  if (text === undefined) return undefined;
  const tables = {
    functions: Number(functions),
    functab,
    names,
    units,
    counters,
    headBytes: magic === GO_1_18 ? 40 : 44,
    text,
  };
  const less = magic === GO_1_18 ? 2 : 0;
  return {
    ...tables,
    hasRecords: hasRecords(section, old, tables),
    types: findTypes(image, section, old, names, less),
  };
}

function readWord(old: Bytes, at: number, wordBytes: number): bigint {
  return wordBytes === 8 ? old.u64(at) : BigInt(old.u32(at));
}

/** Position-independent programs leave the text's address to the loader. */
function textAddress(image: Image): number | undefined {
  return image.sections.find((section) => section.isText)?.address;
}

/** True if the records lie in the order of the table, without overlaps. */
function hasRecords(
  section: Section,
  old: Bytes,
  tables: Pick<GoTables, 'functions' | 'functab' | 'headBytes'>,
): boolean {
  const { functions, functab, headBytes } = tables;
  let least = functab + functions * 8;
  for (let i = 0; i < functions; i++) {
    const record = functab + old.u32(section.offset + functab + i * 8 + 4);
    if (record < least || record > section.bytes - headBytes) return false;
    least = record + headBytes;
  }
  return true;
}

/** The module data begins with the place of the function table and that of the names. */
function findTypes(
  image: Image,
  section: Section,
  old: Bytes,
  names: number,
  less: number,
): GoTypes | undefined {
  const { wordBytes } = image;
  const moduleBytes = (FUNCDATA - less + 1) * wordBytes;
  const header = image.valueOf(section.address);
  for (const data of image.sections) {
    if (data.role !== 'data' || !data.isWritable) continue;
    const end = data.offset + data.bytes;
    let place = image.fileOffset + align(data.offset - image.fileOffset, wordBytes);
    for (; end - place >= moduleBytes; place += wordBytes) {
      if (readWord(old, place, wordBytes) !== header) continue;
      const second = readWord(old, place + wordBytes, wordBytes);
      if (second === BigInt.asUintN(64, header + BigInt(names))) break;
    }
    if (end - place < moduleBytes) continue;
    const types = readModule(image, old, place, less);
    if (types) return types;
  }
  return undefined;
}

function align(offset: number, unit: number): number {
  return Math.ceil(offset / unit) * unit;
}

function readModule(image: Image, old: Bytes, module: number, less: number): GoTypes | undefined {
  const word = (index: number) =>
    image.placeOf(readWord(old, module + (index - less) * image.wordBytes, image.wordBytes));
  const address = word(TYPES);
  const end = word(TYPES + 1);
  const funcdata = word(FUNCDATA);
  if (address === undefined || end === undefined || address >= end) return undefined;
  const offset = image.offsetOf(address);
  if (funcdata === undefined || offset === undefined) return undefined;
  return { address, bytes: end - address, offset, funcdata };
}
