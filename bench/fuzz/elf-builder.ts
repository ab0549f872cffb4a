/** A section to be laid out; `flags` are those of sh_flags. */
export interface SectionSpec {
  readonly name: string;
  readonly bytes: number;
  readonly type?: number;
  readonly flags?: number;
  readonly entry?: number;
  readonly link?: string;
  /** Writes the content, once all places are known. */
  readonly fill?: (view: DataView, places: ElfPlaces) => void;
}

export interface ElfSpec {
  readonly is64: boolean;
  /** e_machine. */
  readonly machine: number;
  readonly lowest: number;
  readonly sections: readonly SectionSpec[];
  readonly withoutHeaders?: boolean;
}

export const WRITABLE = 1;
export const LOADED = 2;
export const CODE = 4;

/** Where sections lie in the file and in memory. */
export class ElfPlaces {
  readonly offsets = new Map<string, number>();
  readonly lowest: number;

  constructor(lowest: number) {
    this.lowest = lowest;
  }

  offset(name: string): number {
    const offset = this.offsets.get(name);
    if (offset === undefined) throw new Error(`no section ${name}`);
    return offset;
  }

  address(name: string): number {
    return this.lowest + this.offset(name);
  }
}

export interface Elf {
  readonly bytes: Uint8Array;
  readonly places: ElfPlaces;
  /** Where the section headers begin; 0 without. */
  readonly headers: number;
}

/** Bytes before the first section: file header and two program headers. */
const FIRST = 0x1000;
/** An address and its offset differ by `lowest` everywhere: one segment has the code, one the rest. */
export function buildElf(spec: ElfSpec): Elf {
  const sections: SectionSpec[] = [{ name: '', bytes: 0, type: 0, flags: 0 }, ...spec.sections];
  const names = sections.map((section) => section.name).concat('.shstrtab');
  sections.push({
    name: '.shstrtab',
    type: 3,
    flags: 0,
    bytes: names.reduce((sum, name) => sum + name.length + 1, 0),
    fill: (view) => {
      const text = Buffer.from(`${names.join('\0')}\0`);
      new Uint8Array(view.buffer, view.byteOffset).set(text);
    },
  });
  const places = new ElfPlaces(spec.lowest);
  let end = FIRST;
  for (const section of sections) {
    places.offsets.set(section.name, end);
    end = (end + section.bytes + 7) & ~7;
  }
  const headers = spec.withoutHeaders === true ? 0 : end;
  const entryBytes = spec.is64 ? 64 : 40;
  const bytes = new Uint8Array(end + (headers === 0 ? 0 : sections.length * entryBytes));
  for (const section of sections) {
    const at = places.offset(section.name);
    section.fill?.(new DataView(bytes.buffer, at, section.bytes), places);
  }
  const view = new DataView(bytes.buffer);
  writeFileHeader(view, spec, headers, sections.length);
  writeSegments(view, spec, places, end);
  if (headers !== 0) {
    let name = 0;
    sections.forEach((section, i) => {
      writeSectionHeader(view, spec, headers + i * entryBytes, section, name, sections, places);
      name += section.name.length + 1;
    });
  }
  return { bytes, places, headers };
}

function writeFileHeader(view: DataView, spec: ElfSpec, headers: number, count: number): void {
  view.setUint32(0, 0x7f454c46);
  view.setUint8(4, spec.is64 ? 2 : 1);
  view.setUint8(5, 1);
  view.setUint8(6, 1);
  view.setUint16(16, 3, true);
  view.setUint16(18, spec.machine, true);
  putWord(view, spec, spec.is64 ? 32 : 28, spec.is64 ? 64 : 52);
  putWord(view, spec, spec.is64 ? 40 : 32, headers);
  const sizes = spec.is64 ? [64, 56, 2, 64] : [52, 32, 2, 40];
  const tail = [...sizes, headers === 0 ? 0 : count, headers === 0 ? 0 : count - 1];
  tail.forEach((value, i) => {
    view.setUint16((spec.is64 ? 52 : 40) + 2 * i, value, true);
  });
}

/** The first segment ends with the last code section. */
function writeSegments(view: DataView, spec: ElfSpec, places: ElfPlaces, end: number): void {
  let border = FIRST;
  for (const section of spec.sections) {
    if (((section.flags ?? LOADED) & CODE) === 0) continue;
    border = places.offset(section.name) + section.bytes;
  }
  writeSegment(view, spec, 0, 0, border, 5);
  writeSegment(view, spec, 1, border, end - border, 6);
}

function writeSegment(
  view: DataView,
  spec: ElfSpec,
  index: number,
  offset: number,
  bytes: number,
  flags: number,
): void {
  const at = (spec.is64 ? 64 : 52) + index * (spec.is64 ? 56 : 32);
  view.setUint32(at, 1, true);
  view.setUint32(at + (spec.is64 ? 4 : 24), flags, true);
  const fields = spec.is64 ? [8, 16, 32, 40] : [4, 8, 16, 20];
  [offset, spec.lowest + offset, bytes, bytes].forEach((value, i) => {
    putWord(view, spec, at + (fields[i] ?? 0), value);
  });
}

function writeSectionHeader(
  view: DataView,
  spec: ElfSpec,
  at: number,
  section: SectionSpec,
  name: number,
  sections: readonly SectionSpec[],
  places: ElfPlaces,
): void {
  const flags = section.flags ?? LOADED;
  const offset = places.offset(section.name);
  const link = sections.findIndex((other) => other.name === section.link);
  view.setUint32(at, name, true);
  view.setUint32(at + 4, section.type ?? 1, true);
  view.setUint32(at + (spec.is64 ? 40 : 24), Math.max(link, 0), true);
  const fields = spec.is64 ? [8, 16, 24, 32, 56] : [8, 12, 16, 20, 36];
  const address = (flags & LOADED) === 0 ? 0 : spec.lowest + offset;
  [flags, address, offset, section.bytes, section.entry ?? 0].forEach((value, i) => {
    putWord(view, spec, at + (fields[i] ?? 0), value);
  });
}

/** Writes a word of the file's class. */
export function putWord(view: DataView, spec: { is64: boolean }, at: number, value: number): void {
  if (spec.is64) view.setBigUint64(at, BigInt(value), true);
  else view.setUint32(at, value, true);
}
