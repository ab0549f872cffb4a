// What the engine knows of an executable. Addresses are counted from the image's lowest one, rounded
// down to 64 KiB, so that they fit 31 bits; the images of several sources follow each other in one
// address space, at multiples of 64 KiB.

export const enum Machine {
  /** No executable, or of a machine without a reference model: bytes only. */
  NONE = 0,
  X64 = 1,
  A64 = 2,
  A32 = 3,
  /** RISC-V of 64 bits. */
  RV64 = 4,
}

/** A loaded segment (PT_LOAD), 20 bytes. */
@unmanaged
export class Segment {
  /** First address, in the address space. */
  address: u32;
  /** First byte, among the bytes of all sources. */
  offset: u32;
  fileBytes: u32;
  memoryBytes: u32;
  /** p_flags: 1 executable, 2 writable, 4 readable. */
  flags: u32;
}

export const SEGMENT_BYTES: usize = 20;
export const MAX_SEGMENTS: u32 = 64;

/** What a section is to the scanners. */
export const enum Role {
  /** Looked at by nobody: text, debug information, no bytes in the file. */
  NONE = 0,
  CODE = 1,
  /** Aligned words that may be addresses. */
  DATA = 2,
  SYMBOLS = 3,
  RELOCATIONS = 4,
  EH_FRAME = 5,
  EH_FRAME_HDR = 6,
  GO_PCLNTAB = 7,
  GO_TYPELINK = 8,
  GNU_HASH = 9,
  /** Arm: a PLT is code with entries of its own. */
  A32_PLT = 10,
  STRINGS = 11,
  /** Arm: the index of exception tables, and the tables. */
  ARM_EXIDX = 12,
  ARM_EXTAB = 13,
}

/** A section with bytes in the file, 36 bytes. Sections ascend by offset and do not overlap. */
@unmanaged
export class Section {
  offset: u32;
  bytes: u32;
  /** In the address space; 0 when it is not loaded. */
  address: u32;
  role: u32;
  /** Bytes of an entry: sh_entsize up to 64, else 0. */
  entry: u32;
  /** Index in this order of the section that sh_link names, or -1. */
  link: i32;
  /** Index among the file's section headers. */
  index: u32;
  /** {@link SectionFlag}s. */
  flags: u32;
  /** Where a scan of each of its 4 KiB begins (scan/restart.ts), or 0. */
  restart: usize;
}

/** The low three are those of sh_flags. */
export const enum SectionFlag {
  WRITABLE = 1,
  LOADED = 2,
  EXECUTABLE = 4,
  /** Relocations of a procedure linkage table. */
  PLT = 8,
  /** The `.text` of the file, whose address Go's tables count from. */
  TEXT = 16,
}

export const SECTION_BYTES: usize = 36;
export const MAX_SECTIONS: u32 = 1024;

/** An executable among the sources, or the new file. */
@unmanaged
export class Image {
  machine: u32;
  is64: u32;
  /** The file's first byte and size among the bytes of all sources (or of the new file: 0). */
  fileOffset: u32;
  fileBytes: u32;
  /** What address 0 of the image's own range stands for. */
  lowest: u64;
  /** Where its range of the address space begins, and its length. */
  addressBase: u32;
  addressSpan: u32;
  segments: usize;
  segmentCount: u32;
  sections: usize;
  sectionCount: u32;
  /** No executable byte lies outside of these addresses. */
  codeFrom: u32;
  codeBytes: u32;
  /** Facts of a Go program (GoTables of scan/go-tables.ts), or 0. */
  go: usize;

  @inline segment(index: u32): Segment {
    return changetype<Segment>(this.segments + <usize>index * SEGMENT_BYTES);
  }

  @inline section(index: u32): Section {
    return changetype<Section>(this.sections + <usize>index * SECTION_BYTES);
  }
}

export const IMAGE_BYTES: usize = offsetof<Image>();

export const NO_PLACE: u32 = 0xffffffff;

/** The address of a byte of the file, or {@link NO_PLACE}. */
export function addressOf(image: Image, offset: u32): u32 {
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (offset - s.offset < s.fileBytes) return s.address + (offset - s.offset);
  }
  return NO_PLACE;
}

/** The byte of the file that is loaded at an address, or {@link NO_PLACE}. */
export function offsetOf(image: Image, address: u32): u32 {
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (address - s.address < s.fileBytes) return s.offset + (address - s.address);
  }
  return NO_PLACE;
}

/** True if the address is loaded and executable. */
export function isCode(image: Image, address: u32): bool {
  if (address - image.codeFrom >= image.codeBytes) return false;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (address - s.address < s.fileBytes) return (s.flags & 1) !== 0;
  }
  return false;
}

/** True if the address belongs to a segment, with bytes in the file or not. */
export function isLoaded(image: Image, address: u32): bool {
  if (address - image.addressBase >= image.addressSpan) return false;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if (address - s.address < s.memoryBytes) return true;
  }
  return false;
}

/** The place in the address space of an address as the program writes it, or {@link NO_PLACE}. */
export function placeOf(image: Image, value: u64): u32 {
  const distance = value - image.lowest;
  if (distance >= image.addressSpan) return NO_PLACE;
  const address = image.addressBase + <u32>distance;
  return isLoaded(image, address) ? address : NO_PLACE;
}

/** The address as the program writes it. */
export function valueOf(image: Image, address: u32): u64 {
  return image.lowest + (address - image.addressBase);
}
