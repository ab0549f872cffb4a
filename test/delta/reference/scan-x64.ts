import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { isFixed, mayHoldValue } from './x64-values.ts';
import { u32 } from './word.ts';

/** Bytes before the part that put the scan into step. */
const LEAD = 32;

interface Relative {
  readonly target: number;
  /** Bytes of the immediate operand after the field. */
  readonly immediate: number;
}

/** Fields of 32 bits, by the bytes before them (CODING.md, "x86-64"). */
export function scanX64(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  const begin = from - Math.min(LEAD, from - section.offset);
  const address = image.addressOf(begin);
  if (address === undefined) return [];
  const last = Math.min(to - 1, section.offset + section.bytes - 4);
  const hasValues = isFixed(image);
  const refs: Ref[] = [];
  const emit = (offset: number, kind: Kind, aux: number, target: number) => {
    if (offset >= from && offset < to) refs.push({ offset, kind, aux, target, base: 0 });
  };
  /** Emits the address at `field`; false if it is none. */
  const emitValue = (field: number) => {
    const target = image.placeOf(BigInt(old.u32(field)));
    if (target !== undefined) emit(field, Kind.address32, 0, target);
    return target !== undefined;
  };
  // After a field the next byte is an opcode at the earliest.
  for (let field = begin + 1; field <= last; field++) {
    const known = field - begin;
    const found = relative(old, image, field, known, address);
    if (found) {
      emit(field, Kind.x64Relative, found.immediate, found.target);
      field += 4;
      if (!hasValues || found.immediate !== 4 || field > last) continue;
      if (emitValue(field)) field += 4;
    } else if (hasValues && mayHoldValue(old, field, known) && emitValue(field)) field += 4;
  }
  return refs;
}

/** Where the field leads if an opcode comes before it; `known` bytes before it are looked at. */
function relative(
  old: Bytes,
  image: Image,
  field: number,
  known: number,
  address: number,
): Relative | undefined {
  const immediate = immediateAfter(old, field, known);
  if (immediate === undefined) return undefined;
  const target = u32(address + known + 4 + immediate + old.u32(field));
  const isData = isModRm(old.u8(field - 1));
  const isThere = isData ? image.isLoaded(target) : image.isCode(target);
  return isThere ? { target, immediate } : undefined;
}

/** Mod 0, r/m 5: relative to the next instruction. */
function isModRm(byte: number): boolean {
  return (byte & 0xc7) === 5;
}

/** Bytes of the immediate operand after the field; undefined if no opcode comes before it. */
function immediateAfter(old: Bytes, field: number, known: number): number | undefined {
  const last = old.u8(field - 1);
  if ((last & 0xfe) === 0xe8) return 0;
  const isJump = (last & 0xf0) === 0x80;
  if (known < 2 || (!isJump && !isModRm(last))) return undefined;
  const opcode = old.u8(field - 2);
  if (isJump) return opcode === 0x0f ? 0 : undefined;
  if (known > 2 && old.u8(field - 3) === 0x0f) return 0;
  if (opcode < 0x10 && (opcode & 7) >= 4) return undefined;
  return immediateOf(opcode, (last >> 3) & 7);
}

function immediateOf(opcode: number, group: number): number {
  if ([0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6].includes(opcode)) return 1;
  if ([0x69, 0x81, 0xc7].includes(opcode)) return 4;
  if (group !== 0) return 0;
  return opcode === 0xf6 ? 1 : opcode === 0xf7 ? 4 : 0;
}
