// Reads an ELF file's identification and program headers (System V ABI, chapters 4 and 5).

import { mark, release } from '../memory';
import { readOld } from '../old';
import { prepareScan } from '../scan/prepare';
import { sideBuffer } from '../scan/emit';
import { Image, Machine } from './image';
import { machineOf } from './machines';
import { parseSections } from './sections';
import { addSegment, MAX_SPAN, newImage } from './segments';

const HEADER_BYTES: u32 = 64;
const MAX_PROGRAM_HEADERS: u32 = 256;
const LOAD: u32 = 1;
/** Addresses count from the lowest one, rounded down to this. */
const LOWEST_UNIT: u64 = 0x10000;

/**
 * The image of the file that lies at `fileOffset` among the bytes that readOld gives, its addresses
 * beginning at `addressBase` (a multiple of 64 KiB). Machine NONE, and nothing else, when the file is
 * no executable of a known machine, breaks the ABI, or spans more than {@link MAX_SPAN} addresses.
 * openScan comes first; the image lives until memory is released to where it was before.
 */
export function parseImage(fileOffset: u32, fileBytes: u32, addressBase: u32): Image {
  const start = mark();
  const image = newImage(Machine.NONE, fileOffset, fileBytes, addressBase);
  if (identify(image) && parseSections(image)) {
    prepareScan(image);
    return image;
  }
  release(start);
  return newImage(Machine.NONE, fileOffset, fileBytes, addressBase);
}

/** Where the header's field is: at `narrow` in ELF32, `wide` in ELF64. */
function wordOf(image: Image, header: usize, narrow: usize, wide: usize): u64 {
  return image.is64 ? load<u64>(header + wide) : <u64>load<u32>(header + narrow);
}

function identify(image: Image): bool {
  if (image.fileBytes < HEADER_BYTES) return false;
  const header = readOld(image.fileOffset, HEADER_BYTES, sideBuffer);
  const fileClass = <u32>load<u8>(header, 4);
  const littleEndian = load<u8>(header, 5) === 1;
  if (load<u32>(header) !== 0x464c457f || (fileClass !== 1 && fileClass !== 2)) return false;
  if (!littleEndian || load<u8>(header, 6) !== 1) return false;
  image.is64 = fileClass === 2 ? 1 : 0;
  image.machine = machineOf(load<u16>(header, 18), image.is64 !== 0);
  if (image.machine === Machine.NONE) return false;
  const table = wordOf(image, header, 28, 32);
  const entry = <u32>(image.is64 ? load<u16>(header, 54) : load<u16>(header, 42));
  const count = <u32>(image.is64 ? load<u16>(header, 56) : load<u16>(header, 44));
  if (count === 0 || count > MAX_PROGRAM_HEADERS || entry !== (image.is64 ? 56 : 32)) return false;
  if (table > image.fileBytes || count * entry > image.fileBytes - <u32>table) return false;
  return parseSegments(image, image.fileOffset + <u32>table, entry, count);
}

function parseSegments(image: Image, table: u32, entry: u32, count: u32): bool {
  image.lowest = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const header = readOld(table + i * entry, entry, sideBuffer);
    if (!isLoad(image, header)) continue;
    image.lowest = min(image.lowest, wordOf(image, header, 8, 16) & ~(LOWEST_UNIT - 1));
  }
  for (let i: u32 = 0; i < count; i++) {
    const header = readOld(table + i * entry, entry, sideBuffer);
    if (isLoad(image, header) && !parseSegment(image, header)) return false;
  }
  return image.segmentCount > 0;
}

/** True for a PT_LOAD that takes memory. */
function isLoad(image: Image, header: usize): bool {
  return load<u32>(header) === LOAD && wordOf(image, header, 20, 40) !== 0;
}

function parseSegment(image: Image, header: usize): bool {
  const address = wordOf(image, header, 8, 16) - image.lowest;
  const fileBytes = wordOf(image, header, 16, 32);
  const memoryBytes = wordOf(image, header, 20, 40);
  const offset = fileBytes === 0 ? 0 : wordOf(image, header, 4, 8);
  const flags = image.is64 ? load<u32>(header, 4) : load<u32>(header, 24);
  if (address > MAX_SPAN || memoryBytes > MAX_SPAN) return false;
  if (offset > image.fileBytes || fileBytes > image.fileBytes) return false;
  return addSegment(image, <u32>address, <u32>offset, <u32>fileBytes, <u32>memoryBytes, flags & 7);
}
