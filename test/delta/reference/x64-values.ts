import type { Bytes } from './bytes.ts';
import type { Image } from './image.ts';

/** True if the program is loaded where it says, so that its code holds addresses as they are. */
export function isFixed(image: Image): boolean {
  const end = image.lowest + BigInt(image.addressSpan);
  return image.lowest >= 0x10000n && end <= 0x80000000n && image.go === undefined;
}

/** True if the bytes before the field may be those of an operand of 32 bits; `known` are there. */
export function mayHoldValue(old: Bytes, field: number, known: number): boolean {
  const last = old.u8(field - 1);
  // MOV register, PUSH, CMP eax.
  if ((last & 0xf8) === 0xb8 || last === 0x68 || last === 0x3d) return true;
  if (known < 4) return false;
  const second = old.u8(field - 2);
  const third = old.u8(field - 3);
  // A SIB byte without base.
  if ((last & 7) === 5 && (second & 0xc7) === 4) return true;
  // MOV and CMP with a register or [register].
  if (second === 0xc7) return (last & 0x38) === 0;
  if (second === 0x81) return last >= 0xc0;
  // [register + displacement], of opcodes that another byte tells.
  if ((last & 0xc0) === 0x80 && (last & 7) !== 4) {
    return third === 0x0f || ((third & 0xf0) === 0x40 && second >= 0x60);
  }
  // MOV to [register + 8 bits], [rsp], [rsp + 8 bits].
  if (third === 0xc7) return (second & 0xf8) === 0x40 || (second === 4 && last === 0x24);
  return third === 0x44 && old.u8(field - 4) === 0xc7;
}
