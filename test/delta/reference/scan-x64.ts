import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { u32 } from './word.ts';

/** Bytes before the part that put the scan into step. */
const LEAD = 32;

/** Fields of 32 bits relative to the instruction's end, by the bytes before them. */
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
  const refs: Ref[] = [];
  for (let field = begin + 1; field <= last; field++) {
    const immediate = immediateAfter(old, field, field - begin);
    if (immediate === undefined) continue;
    const target = u32(address + (field - begin) + 4 + immediate + old.u32(field));
    const isData = isModRm(old.u8(field - 1));
    if (isData ? !image.isLoaded(target) : !image.isCode(target)) continue;
    if (field >= from) {
      refs.push({ offset: field, kind: Kind.x64Relative, aux: immediate, target, base: 0 });
    }
    // The next byte is an opcode at the earliest.
    field += 4;
  }
  return refs;
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
