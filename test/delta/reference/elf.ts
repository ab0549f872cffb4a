// Reads an ELF file's headers (CODING.md, "Executables").

import type { Bytes } from './bytes.ts';
import { parseSections } from './elf-sections.ts';
import { Image, Machine, MAX_SPAN } from './image.ts';
import { prepareTables } from './prepare.ts';

const LOWEST_UNIT = 0x10000n;

/** The executable that lies at `fileOffset` among the old bytes; undefined when it is none. */
export function parseElf(
  old: Bytes,
  fileOffset: number,
  fileBytes: number,
  addressBase: number,
): Image | undefined {
  if (fileBytes < 64) return undefined;
  const u8 = (at: number) => old.u8(fileOffset + at);
  const u16 = (at: number) => old.u16(fileOffset + at);
  const elfClass = u8(4);
  if (old.u32(fileOffset) !== 0x464c457f || (elfClass !== 1 && elfClass !== 2)) return undefined;
  if (u8(5) !== 1 || u8(6) !== 1) return undefined;
  const is64 = elfClass === 2;
  const machine = machineOf(u16(18), is64);
  if (machine === Machine.none) return undefined;
  const table = is64 ? old.u64(fileOffset + 32) : BigInt(old.u32(fileOffset + 28));
  const entry = u16(is64 ? 54 : 42);
  const count = u16(is64 ? 56 : 44);
  if (count === 0 || count > 256 || entry !== (is64 ? 56 : 32)) return undefined;
  if (table + BigInt(count * entry) > BigInt(fileBytes)) return undefined;
  const first = fileOffset + Number(table);
  const loads = Array.from({ length: count }, (_, i) =>
    programHeader(old, first + i * entry, is64),
  ).filter((load) => load.type === 1 && load.memoryBytes !== 0n);
  if (loads.length === 0) return undefined;
  const lowest = loads
    .map((load) => load.address & ~(LOWEST_UNIT - 1n))
    .reduce((a, b) => (a < b ? a : b));
  const image = new Image({ machine, is64, fileOffset, fileBytes, lowest, addressBase });
  if (!loads.every((load) => addLoad(image, load))) return undefined;
  if (!parseSections(image, old)) return undefined;
  prepareTables(image, old);
  return image;
}

function machineOf(number: number, is64: boolean): Machine {
  if (number === 62 && is64) return Machine.x64;
  if (number === 183 && is64) return Machine.a64;
  if (number === 243 && is64) return Machine.rv64;
  return number === 40 && !is64 ? Machine.a32 : Machine.none;
}

interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
}

function programHeader(old: Bytes, at: number, is64: boolean): ProgramHeader {
  const word = (narrow: number, wide: number) =>
    is64 ? old.u64(at + wide) : BigInt(old.u32(at + narrow));
  return {
    type: old.u32(at),
    flags: old.u32(at + (is64 ? 4 : 24)) & 7,
    offset: word(4, 8),
    address: word(8, 16),
    fileBytes: word(16, 32),
    memoryBytes: word(20, 40),
  };
}

function addLoad(image: Image, load: ProgramHeader): boolean {
  const address = load.address - image.lowest;
  const offset = load.fileBytes === 0n ? 0n : load.offset;
  if (address > MAX_SPAN || load.memoryBytes > MAX_SPAN) return false;
  if (offset > image.fileBytes || load.fileBytes > image.fileBytes) return false;
  return image.addSegment({
    address: Number(address),
    offset: Number(offset),
    fileBytes: Number(load.fileBytes),
    memoryBytes: Number(load.memoryBytes),
    flags: load.flags,
  });
}
