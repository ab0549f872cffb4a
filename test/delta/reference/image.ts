// Executables in one address space (CODING.md, "Executables").

import { u32 } from './word.ts';

export const Machine = { none: 0, x64: 1, a64: 2, a32: 3, rv64: 4 } as const;

export type Machine = (typeof Machine)[keyof typeof Machine];

export const MAX_SPAN = 1 << 30;
const MAX_SEGMENTS = 64;

export interface Segment {
  readonly address: number;
  readonly offset: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly flags: number;
}

export type Role =
  | 'none'
  | 'code'
  | 'data'
  | 'symbols'
  | 'relocations'
  | 'eh-frame'
  | 'eh-frame-hdr'
  | 'go-pclntab'
  | 'go-typelink'
  | 'arm-plt'
  | 'strings'
  | 'gnu-hash'
  | 'arm-exidx'
  | 'arm-extab';

export interface Section {
  offset: number;
  bytes: number;
  /** 0 when it is not loaded. */
  address: number;
  role: Role;
  /** Bytes of an entry, or 0. */
  readonly entry: number;
  /** Number of its section header; -1 without headers. */
  readonly number: number;
  readonly linkNumber: number;
  link: Section | undefined;
  readonly isWritable: boolean;
  readonly isPltRelocations: boolean;
  readonly isText: boolean;
}

/** Of a Go program; places are bytes from the first of .gopclntab. */
export interface GoTables {
  readonly functions: number;
  readonly functab: number;
  readonly names: number;
  readonly units: number;
  readonly counters: number;
  readonly headBytes: number;
  readonly text: number;
  /** False when the records are not in order: then only the table itself has references. */
  readonly hasRecords: boolean;
  readonly types: GoTypes | undefined;
}

export interface GoTypes {
  readonly address: number;
  readonly bytes: number;
  /** Among the old bytes. */
  readonly offset: number;
  readonly funcdata: number;
}

/** A segment as a file or a delta tells it: from the lowest address and the file's first byte. */
export type RawSegment = Segment;

export class Image {
  readonly machine: Machine;
  readonly is64: boolean;
  readonly fileOffset: number;
  readonly fileBytes: number;
  readonly lowest: bigint;
  readonly addressBase: number;
  addressSpan = 0;
  readonly segments: Segment[] = [];
  sections: Section[] = [];
  go: GoTables | undefined;

  constructor(facts: {
    machine: Machine;
    is64: boolean;
    fileOffset: number;
    fileBytes: number;
    lowest: bigint;
    addressBase: number;
  }) {
    this.machine = facts.machine;
    this.is64 = facts.is64;
    this.fileOffset = facts.fileOffset;
    this.fileBytes = facts.fileBytes;
    this.lowest = facts.lowest;
    this.addressBase = facts.addressBase;
  }

  get wordBytes(): number {
    return this.is64 ? 8 : 4;
  }

  /** False, and nothing added, when the segment lies outside of the file or the address space. */
  addSegment(raw: RawSegment): boolean {
    const { address, offset, fileBytes, memoryBytes, flags } = raw;
    if (this.segments.length === MAX_SEGMENTS || fileBytes > memoryBytes) return false;
    if (offset + fileBytes > this.fileBytes || address + memoryBytes > MAX_SPAN) return false;
    if (this.addressBase + address + memoryBytes > 2 ** 31) return false;
    this.segments.push({
      address: this.addressBase + address,
      offset: this.fileOffset + offset,
      fileBytes,
      memoryBytes,
      flags,
    });
    this.addressSpan = Math.max(this.addressSpan, address + memoryBytes);
    return true;
  }

  /** The address of a byte of the file. */
  addressOf(offset: number): number | undefined {
    const s = this.segments.find((one) => u32(offset - one.offset) < one.fileBytes);
    return s && s.address + (offset - s.offset);
  }

  /** The byte of the file that is loaded at an address. */
  offsetOf(address: number): number | undefined {
    const s = this.segments.find((one) => u32(address - one.address) < one.fileBytes);
    return s && s.offset + (address - s.address);
  }

  isCode(address: number): boolean {
    const s = this.segments.find((one) => u32(address - one.address) < one.fileBytes);
    return s !== undefined && (s.flags & 1) !== 0;
  }

  isLoaded(address: number): boolean {
    return this.segments.some((one) => u32(address - one.address) < one.memoryBytes);
  }

  /** The place in the address space of an address as the program writes it. */
  placeOf(value: bigint): number | undefined {
    const distance = BigInt.asUintN(64, value - this.lowest);
    if (distance >= BigInt(this.addressSpan)) return undefined;
    const address = this.addressBase + Number(distance);
    return this.isLoaded(address) ? address : undefined;
  }

  /** The address as the program writes it. */
  valueOf(address: number): bigint {
    return BigInt.asUintN(64, this.lowest + BigInt(u32(address - this.addressBase)));
  }

  sectionAt(offset: number): Section | undefined {
    return this.sections.find((s) => offset >= s.offset && offset < s.offset + s.bytes);
  }
}
