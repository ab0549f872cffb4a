// Reads section headers, or makes up for them; orders sections by offset and parts those that overlap.

import { alloc } from '../memory';
import { readOld } from '../old';
import { sideBuffer } from '../scan/emit';
import { Image, MAX_SECTIONS, Role, Section, SECTION_BYTES, SectionFlag } from './image';
import { flagsOfName, roleOf } from './roles';

const TYPE_NULL: u32 = 0;
const TYPE_NOBITS: u32 = 8;
/** Bytes of a name that are looked at. */
const NAME_BYTES: u32 = 48;
const NO_INDEX: u32 = 0xffffffff;

/** The table of section headers, as the file's header gives it. */
let table: u32 = 0;
let entryBytes: u32 = 0;
let names: u32 = 0;
let namesEnd: u32 = 0;

/** Fills in the sections of an image whose segments are known. False when the headers are broken. */
export function parseSections(image: Image): bool {
  const header = readOld(image.fileOffset, 64, sideBuffer);
  const place = image.is64 ? load<u64>(header, 40) : <u64>load<u32>(header, 32);
  const counts = header + (image.is64 ? 58 : 46);
  const count = <u32>load<u16>(counts, 2);
  const nameIndex = <u32>load<u16>(counts, 4);
  if (place === 0 || count === 0 || count > MAX_SECTIONS) return sectionsOfSegments(image);
  entryBytes = image.is64 ? 64 : 40;
  if (load<u16>(counts) !== <u16>entryBytes || place > image.fileBytes) return false;
  if (count * entryBytes > image.fileBytes - <u32>place) return false;
  table = image.fileOffset + <u32>place;
  image.sections = alloc(<usize>count * SECTION_BYTES);
  findNames(image, nameIndex, count);
  for (let i: u32 = 1; i < count; i++) if (!parseSection(image, i)) return false;
  sortSections(image);
  partSections(image);
  linkSections(image);
  return true;
}

function wordOf(image: Image, header: usize, narrow: usize, wide: usize): u64 {
  return image.is64 ? load<u64>(header + wide) : <u64>load<u32>(header + narrow);
}

function isInside(image: Image, offset: u64, bytes: u64): bool {
  return offset <= image.fileBytes && bytes <= image.fileBytes - offset;
}

function findNames(image: Image, index: u32, count: u32): void {
  names = namesEnd = 0;
  if (index === 0 || index >= count) return;
  const header = readOld(table + index * entryBytes, entryBytes, sideBuffer);
  const offset = wordOf(image, header, 16, 24);
  const bytes = wordOf(image, header, 20, 32);
  if (load<u32>(header, 4) === TYPE_NOBITS || !isInside(image, offset, bytes)) return;
  names = image.fileOffset + <u32>offset;
  namesEnd = names + <u32>bytes;
}

function parseSection(image: Image, index: u32): bool {
  const header = readOld(table + index * entryBytes, entryBytes, sideBuffer);
  const type = load<u32>(header, 4);
  const offset = wordOf(image, header, 16, 24);
  const bytes = wordOf(image, header, 20, 32);
  if (type === TYPE_NULL || type === TYPE_NOBITS || bytes === 0) return true;
  if (!isInside(image, offset, bytes)) return false;
  const section = image.section(image.sectionCount++);
  section.offset = image.fileOffset + <u32>offset;
  section.bytes = <u32>bytes;
  section.index = index;
  section.flags = (<u32>wordOf(image, header, 8, 8)) & 7;
  section.entry = <u32>min<u64>(wordOf(image, header, 36, 56), 65) % 65;
  section.link = <i32>load<u32>(header + (image.is64 ? 40 : 24));
  section.address = loadedAddress(image, section);
  const name = readName(load<u32>(header));
  section.role = roleOf(image, section, type, name);
  section.flags |= flagsOfName(section.role, name);
  return true;
}

/** Where the whole section is loaded, or 0; code only counts where it can run. */
function loadedAddress(image: Image, section: Section): u32 {
  if ((section.flags & SectionFlag.LOADED) === 0) return 0;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    const from = section.offset - s.offset;
    if (section.offset < s.offset || from > s.fileBytes) continue;
    if (section.bytes > s.fileBytes - from) continue;
    if ((section.flags & SectionFlag.EXECUTABLE) !== 0 && (s.flags & 1) === 0) continue;
    return s.address + from;
  }
  return 0;
}

/** Where the name at `offset` of the names lies, ended by a zero. */
function readName(offset: u32): usize {
  const copy = sideBuffer + 128;
  memory.fill(copy, 0, NAME_BYTES + 1);
  if (offset >= namesEnd - names) return copy;
  const length = min(NAME_BYTES, namesEnd - names - offset);
  const bytes = readOld(names + offset, length, sideBuffer + 64);
  memory.copy(copy, bytes, length);
  return copy;
}

/** A program without section headers: each segment is one section. */
function sectionsOfSegments(image: Image): bool {
  image.sections = alloc(<usize>image.segmentCount * SECTION_BYTES);
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (s.fileBytes === 0) continue;
    const section = image.section(image.sectionCount++);
    section.offset = s.offset;
    section.bytes = s.fileBytes;
    section.address = s.address;
    section.index = NO_INDEX;
    section.link = -1;
    section.role = s.flags & 1 ? Role.CODE : Role.DATA;
    section.flags = SectionFlag.LOADED | (s.flags & 1 ? SectionFlag.EXECUTABLE : 0);
  }
  sortSections(image);
  partSections(image);
  return true;
}

/** By offset; those at one offset stay in the file's order. */
function sortSections(image: Image): void {
  const held = changetype<Section>(sideBuffer);
  for (let i: u32 = 1; i < image.sectionCount; i++) {
    const moved = image.section(i);
    let to = i;
    while (to > 0 && image.section(to - 1).offset > moved.offset) to--;
    if (to === i) continue;
    memory.copy(changetype<usize>(held), changetype<usize>(moved), SECTION_BYTES);
    const gap = changetype<usize>(image.section(to));
    memory.copy(gap + SECTION_BYTES, gap, <usize>(i - to) * SECTION_BYTES);
    memory.copy(gap, changetype<usize>(held), SECTION_BYTES);
  }
}

/** Of sections that overlap, the later keeps what the earlier leaves, as plain code or data. */
function partSections(image: Image): void {
  let kept: u32 = 0;
  let free: u32 = 0;
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    const cut = section.offset < free ? min(free - section.offset, section.bytes) : 0;
    if (cut === section.bytes) continue;
    if (cut > 0) {
      section.offset += cut;
      section.bytes -= cut;
      if (section.address !== 0) section.address += cut;
      if (section.role !== Role.CODE && section.role !== Role.DATA) section.role = Role.NONE;
    }
    free = section.offset + section.bytes;
    memory.copy(
      changetype<usize>(image.section(kept++)),
      changetype<usize>(section),
      SECTION_BYTES,
    );
  }
  image.sectionCount = kept;
}

/** Turns links from header indices into this order. */
function linkSections(image: Image): void {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    const wanted = <u32>section.link;
    section.link = -1;
    if (wanted === 0) continue;
    for (let k: u32 = 0; k < image.sectionCount; k++) {
      if (image.section(k).index === wanted) section.link = <i32>k;
    }
  }
}
