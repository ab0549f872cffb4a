import type { Bytes } from './bytes.ts';
import { type Image, Machine, type Role, type Section } from './image.ts';

const MAX_SECTIONS = 1024;
const NOBITS = 8;

interface Header {
  readonly number: number;
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly link: number;
  readonly entry: bigint;
}

/** Fills in the image's sections; false when the headers are broken. */
export function parseSections(image: Image, old: Bytes): boolean {
  const { is64, fileOffset } = image;
  const place = is64 ? old.u64(fileOffset + 40) : BigInt(old.u32(fileOffset + 32));
  const counts = fileOffset + (is64 ? 58 : 46);
  const count = old.u16(counts + 2);
  const entry = is64 ? 64 : 40;
  if (place === 0n || count === 0 || count > MAX_SECTIONS) {
    image.sections = part(sectionsOfSegments(image));
    return true;
  }
  if (old.u16(counts) !== entry) return false;
  if (place + BigInt(count * entry) > BigInt(image.fileBytes)) return false;
  const headers = Array.from({ length: count }, (_, i) =>
    readHeader(old, fileOffset + Number(place) + i * entry, i, is64),
  );
  const present = headers
    .slice(1)
    .filter((h) => h.type !== 0 && h.type !== NOBITS && h.bytes !== 0n);
  if (!present.every((h) => isInside(image, h))) return false;
  const names = namesOf(image, old, headers, old.u16(counts + 4));
  image.sections = part(present.map((header) => makeSection(image, header, names(header.name))));
  for (const section of image.sections) {
    const { linkNumber } = section;
    if (linkNumber !== 0) section.link = image.sections.find((s) => s.number === linkNumber);
  }
  return true;
}

function readHeader(old: Bytes, at: number, number: number, is64: boolean): Header {
  const word = (narrow: number, wide: number) =>
    is64 ? old.u64(at + wide) : BigInt(old.u32(at + narrow));
  return {
    number,
    name: old.u32(at),
    type: old.u32(at + 4),
    flags: Number(word(8, 8) & 7n),
    offset: word(16, 24),
    bytes: word(20, 32),
    link: old.u32(at + (is64 ? 40 : 24)),
    entry: word(36, 56),
  };
}

function isInside(image: Image, header: Header): boolean {
  return header.offset + header.bytes <= BigInt(image.fileBytes);
}

/** Reads a name: its first 48 bytes, empty when it lies outside of the table of names. */
function namesOf(
  image: Image,
  old: Bytes,
  headers: readonly Header[],
  index: number,
): (offset: number) => string {
  const header = index === 0 ? undefined : headers[index];
  if (!header || header.type === NOBITS || !isInside(image, header)) return () => '';
  const first = image.fileOffset + Number(header.offset);
  const bytes = Number(header.bytes);
  return (offset) => {
    if (offset >= bytes) return '';
    const text = old.array.subarray(first + offset, first + Math.min(bytes, offset + 48));
    return Buffer.from(text).toString('latin1').split('\0', 1)[0] ?? '';
  };
}

function makeSection(image: Image, header: Header, name: string): Section {
  const offset = image.fileOffset + Number(header.offset);
  const bytes = Number(header.bytes);
  const entry = header.entry > 64n ? 0 : Number(header.entry);
  const isCode = (header.flags & 4) !== 0;
  const address = (header.flags & 2) === 0 ? 0 : loadedAddress(image, offset, bytes, isCode);
  const role = isCode
    ? codeRole(image, address, name)
    : roleOf(image, header.type, entry, address, name);
  return {
    offset,
    bytes,
    address,
    role,
    entry,
    number: header.number,
    linkNumber: header.link,
    link: undefined,
    isWritable: (header.flags & 1) !== 0,
    isPltRelocations: role === 'relocations' && name.includes('.plt'),
    isText: role === 'code' && name === '.text',
  };
}

/** Where the whole section is loaded, or 0; code only counts where it can run. */
function loadedAddress(image: Image, offset: number, bytes: number, isCode: boolean): number {
  const segment = image.segments.find(
    (s) =>
      offset >= s.offset &&
      offset + bytes <= s.offset + s.fileBytes &&
      (!isCode || (s.flags & 1) !== 0),
  );
  return segment ? segment.address + (offset - segment.offset) : 0;
}

function codeRole(image: Image, address: number, name: string): Role {
  if (address === 0) return 'none';
  return image.machine === Machine.a32 && name === '.plt' ? 'arm-plt' : 'code';
}

function roleOf(image: Image, type: number, entry: number, address: number, name: string): Role {
  const { is64 } = image;
  const isExtab = image.machine === Machine.a32 && name === '.ARM.extab';
  switch (type) {
    case 2:
    case 11:
      return entry === (is64 ? 24 : 16) ? 'symbols' : 'none';
    case 4:
      return entry === (is64 ? 24 : 12) ? 'relocations' : 'none';
    case 9:
      return entry === (is64 ? 16 : 8) ? 'relocations' : 'none';
    case 3:
      return 'strings';
    case 0x6ffffff6:
      return 'gnu-hash';
    case 0x70000001:
      if (image.machine === Machine.a32) return 'arm-exidx';
      break;
    case 5:
    case 0x6ffffffd:
    case 0x6ffffffe:
    case 0x6fffffff:
      return isExtab ? 'arm-extab' : 'none';
    case 7:
      return isExtab ? 'arm-extab' : 'data';
  }
  if (isExtab) return 'arm-extab';
  return address === 0 ? 'none' : loadedRole(name);
}

function loadedRole(name: string): Role {
  if (name === '.eh_frame') return 'eh-frame';
  if (name === '.eh_frame_hdr') return 'eh-frame-hdr';
  if (name.includes('.gopclntab')) return 'go-pclntab';
  if (name.includes('.typelink')) return 'go-typelink';
  return name.startsWith('.debug') ? 'none' : 'data';
}

function sectionsOfSegments(image: Image): Section[] {
  return image.segments
    .filter((s) => s.fileBytes > 0)
    .map((s) => ({
      offset: s.offset,
      bytes: s.fileBytes,
      address: s.address,
      role: (s.flags & 1) !== 0 ? 'code' : 'data',
      entry: 0,
      number: -1,
      linkNumber: 0,
      link: undefined,
      isWritable: false,
      isPltRelocations: false,
      isText: false,
    }));
}

/** In the order of offsets; of sections that overlap, the later keeps what the earlier leaves. */
function part(sections: readonly Section[]): Section[] {
  const kept: Section[] = [];
  let free = 0;
  for (const section of sections.toSorted((a, b) => a.offset - b.offset)) {
    const cut = Math.min(Math.max(free - section.offset, 0), section.bytes);
    if (cut === section.bytes) continue;
    if (cut > 0) {
      section.offset += cut;
      section.bytes -= cut;
      if (section.address !== 0) section.address += cut;
      if (section.role !== 'code' && section.role !== 'data') section.role = 'none';
    }
    free = section.offset + section.bytes;
    kept.push(section);
  }
  return kept;
}
