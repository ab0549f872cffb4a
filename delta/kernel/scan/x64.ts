// How x86-64 references are found: not by disassembly. A place is a 32-bit field relative to its end
// if the bytes before it look like the opcode (and ModRM byte) of one and its target is in the
// image: in code for calls and jumps, anywhere for data. Addresses as they are: see x64-values.ts.
// What is taken for a field is stepped over, so a scan falls into step within a few bytes wherever
// it begins.

import { addressOf, Image, isCode, isLoaded, NO_PLACE, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import { emit, scanBuffer } from './emit';
import { emitValue, mayHoldValue, openValues, valuesAt } from './x64-values';

/** Bytes before the part to scan that put the scan into step. */
const LEAD: u32 = 32;
/** Bytes after it that its last field reaches. */
const REACH: u32 = 3;
const FIELD_BYTES: u32 = 4;
const NO_FIELD: u32 = 0xffffffff;
/** A field counts from the end of its instruction: so far behind it at most. */
const MOST_BEYOND: u32 = 2 * FIELD_BYTES;

/** Bytes of the immediate operand after the field looked at. */
let immediate: u32 = 0;

/** Emits the references of a code section whose fields begin in [from, to). */
export function scanX64(image: Image, section: Section, from: u32, to: u32): void {
  const begin = from - min(LEAD, from - section.offset);
  const end = to + min(REACH, section.offset + section.bytes - to);
  const address = addressOf(image, begin);
  if (address === NO_PLACE || end - begin <= FIELD_BYTES) return;
  const bytes = readOld(begin, end - begin, scanBuffer);
  const stop = bytes + <usize>(end - begin - FIELD_BYTES) + 1;
  const isFixed = openValues(image);
  const reach = (image.addressSpan + MOST_BEYOND) >>> 24;
  let free = bytes + 1;
  let block = bytes + 1;
  while (block < stop) {
    const width = min<usize>(stop - block, 16);
    const opcodes = opcodesAt(block - 1, <u32>width) & nearAt(block, <u32>width, reach);
    const values = isFixed ? valuesAt(block, <u32>width, block === bytes + 1) : 0;
    for (let mask = opcodes | values; mask !== 0; mask &= mask - 1) {
      const field = block + <usize>ctz(mask);
      if (field < free) continue;
      const distance = <u32>(field - bytes);
      const isAfterOpcode = ((opcodes >>> ctz(mask)) & 1) !== 0;
      const target = isAfterOpcode ? relativeTarget(image, field, distance, address) : NO_PLACE;
      if (target !== NO_PLACE) {
        free = field + FIELD_BYTES + 1;
        if (begin + distance >= from) emit(begin + distance, Kind.X64_REL32, immediate, target, 0);
        if (!isFixed || immediate !== FIELD_BYTES || field + FIELD_BYTES >= stop) continue;
        const next = begin + distance + FIELD_BYTES;
        if (emitValue(image, field + FIELD_BYTES, next, from, to)) free += FIELD_BYTES;
      } else if (isFixed && mayHoldValue(field, distance)) {
        if (!emitValue(image, field, begin + distance, from, to)) continue;
        free = field + FIELD_BYTES + 1;
      }
    }
    block += width;
  }
}

/** Where the field leads if an opcode precedes it, or NO_PLACE; sets {@link immediate}. */
function relativeTarget(image: Image, field: usize, known: u32, address: u32): u32 {
  immediate = immediateAfter(field, known);
  if (immediate === NO_FIELD) return NO_PLACE;
  const target = address + known + FIELD_BYTES + immediate + load<u32>(field);
  const isThere = isModRm(load<u8>(field - 1)) ? isLoaded(image, target) : isCode(image, target);
  return isThere ? target : NO_PLACE;
}

/**
 * A bit for each of up to 16 bytes that may come before a field: E8, E9, 8x after 0F, or a ModRM byte.
 * The byte before `at` is looked at, whatever it is: of a part's first byte more is asked later.
 */
@inline
function opcodesAt(at: usize, width: u32): u32 {
  if (width < 16) return opcodesBefore(at, width);
  const bytes = v128.load(at);
  const calls = i8x16.eq(v128.and(bytes, i8x16.splat(<i8>0xfe)), i8x16.splat(<i8>0xe8));
  const jumps = i8x16.eq(v128.and(bytes, i8x16.splat(<i8>0xf0)), i8x16.splat(<i8>0x80));
  const longs = v128.and(jumps, i8x16.eq(v128.load(at - 1), i8x16.splat(0x0f)));
  const others = i8x16.eq(v128.and(bytes, i8x16.splat(<i8>0xc7)), i8x16.splat(5));
  return <u32>i8x16.bitmask(v128.or(v128.or(calls, longs), others));
}

/**
 * A bit for each of up to 16 fields, the first at `at`, whose last byte lets it lead less than
 * `reach` + 1 times 16 MiB on or back: no other leads into the image. Fewer than 16 are not looked at.
 */
@inline
function nearAt(at: usize, width: u32, reach: u32): u32 {
  if (width < 16 || reach > 126) return 0xffff;
  const last = i8x16.add(v128.load(at, 3), i8x16.splat(<i8>(reach + 1)));
  return <u32>i8x16.bitmask(i8x16.le_u(last, i8x16.splat(<i8>(2 * reach + 1))));
}

function opcodesBefore(at: usize, width: u32): u32 {
  let mask: u32 = 0;
  for (let i: u32 = 0; i < width; i++) {
    const byte = <u32>load<u8>(at + <usize>i);
    const may = (byte & 0xfe) === 0xe8 || (byte & 0xf0) === 0x80 || isModRm(byte);
    mask |= (<u32>may) << i;
  }
  return mask;
}

/** Mod 0, r/m 5: relative to the next instruction. */
@inline
function isModRm(byte: u32): bool {
  return (byte & 0xc7) === 5;
}

/**
 * Bytes of the immediate operand after the field at `field`, or NO_FIELD if no opcode precedes it;
 * `known` bytes before it may be looked at.
 */
function immediateAfter(field: usize, known: u32): u32 {
  const last = <u32>load<u8>(field - 1);
  if ((last & 0xfe) === 0xe8) return 0;
  if (known < 2) return NO_FIELD;
  const opcode = <u32>load<u8>(field - 2);
  if ((last & 0xf0) === 0x80) return opcode === 0x0f ? 0 : NO_FIELD;
  if (known > 2 && load<u8>(field - 3) === 0x0f) return 0;
  // Below 10, the upper half of each 8 takes no ModRM byte.
  if (opcode < 0x10 && (opcode & 7) >= 4) return NO_FIELD;
  return immediateOf(opcode, (last >> 3) & 7);
}

/** Bytes of the immediate operand of a one-byte opcode; `group` is the ModRM byte's middle. */
function immediateOf(opcode: u32, group: u32): u32 {
  switch (opcode) {
    case 0x6b:
    case 0x80:
    case 0x83:
    case 0xc0:
    case 0xc1:
    case 0xc6:
      return 1;
    case 0x69:
    case 0x81:
    case 0xc7:
      return 4;
    case 0xf6:
      return group === 0 ? 1 : 0;
    case 0xf7:
      return group === 0 ? 4 : 0;
    default:
      return 0;
  }
}
