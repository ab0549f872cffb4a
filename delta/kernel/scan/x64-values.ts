// Programs that are loaded where they say (not position-independent) hold addresses in x86-64 code
// as they are: 32-bit immediates and displacements.

import { Image, NO_PLACE, placeOf } from '../elf/image';
import { Kind } from '../refs/kinds';
import { emit } from './emit';

/** Position-independent programs begin below; beyond the end, 32 bits with a sign do not reach. */
const LEAST_FIXED: u64 = 0x10000;
const FIXED_END: u64 = 0x80000000;
/** Bytes before a field that mayHoldValue looks at. */
const LOOK_BACK: u32 = 4;

/** The address's last byte, from the first to the last one of those loaded; Go's code has none. */
let first: u32 = 0;
let span: u32 = 0;

/** True if the code of `image` holds such addresses; it is the one that is scanned from here on. */
export function openValues(image: Image): bool {
  const end = image.lowest + image.addressSpan;
  if (image.lowest < LEAST_FIXED || end > FIXED_END || image.go !== 0) return false;
  first = <u32>image.lowest >>> 24;
  span = (<u32>(end - 1) >>> 24) - first;
  return true;
}

/**
 * A bit for each of up to 16 fields, the first at `at`, that may hold an address: by their last byte and,
 * unless they are fewer than 16 or some of the three bytes before the first are `unknown`, by those before.
 */
@inline
export function valuesAt(at: usize, width: u32, unknown: bool): u32 {
  if (width === 16) {
    const distance = i8x16.sub(v128.load(at, 3), i8x16.splat(<i8>first));
    const isNear = i8x16.le_u(distance, i8x16.splat(<i8>span));
    return <u32>i8x16.bitmask(unknown ? isNear : v128.and(isNear, operandsAt(at)));
  }
  let mask: u32 = 0;
  for (let i: u32 = 0; i < width; i++) {
    mask |= (<u32>(<u32>load<u8>(at + <usize>i, 3) - first <= span)) << i;
  }
  return mask;
}

/** At least those of 16 fields for which {@link mayHoldValue} is true, as lanes of ones. */
@inline
function operandsAt(at: usize): v128 {
  const last = v128.load(at - 1);
  const second = v128.load(at - 2);
  const third = v128.load(at - 3);
  const moves = v128.or(
    isByte(last, 0xf8, 0xb8),
    v128.or(isByte(last, 0xff, 0x68), isByte(last, 0xff, 0x3d)),
  );
  const scaled = v128.and(isByte(last, 7, 5), isByte(second, 0xc7, 4));
  const groups = v128.or(isByte(second, 0xff, 0xc7), isByte(second, 0xff, 0x81));
  const prefixed = v128.or(isByte(third, 0xff, 0x0f), isByte(third, 0xf0, 0x40));
  const displaced = v128.and(isByte(last, 0xc0, 0x80), prefixed);
  const stores = v128.or(isByte(third, 0xff, 0xc7), isByte(third, 0xff, 0x44));
  return v128.or(v128.or(v128.or(moves, scaled), v128.or(groups, displaced)), stores);
}

/** Lanes of ones where the bits of `mask` are `value`. */
@inline
function isByte(bytes: v128, mask: u32, value: u32): v128 {
  return i8x16.eq(v128.and(bytes, i8x16.splat(<i8>mask)), i8x16.splat(<i8>value));
}

/** Emits the field, at old offset `offset`, if it is in [from, to); false if it is no address. */
@inline
export function emitValue(image: Image, field: usize, offset: u32, from: u32, to: u32): bool {
  const target = placeOf(image, load<u32>(field));
  if (target === NO_PLACE) return false;
  if (offset >= from && offset < to) emit(offset, Kind.ABS32, 0, target, 0);
  return true;
}

/** True if the bytes before the field may be those of an operand of 32 bits; `known` are there. */
export function mayHoldValue(field: usize, known: u32): bool {
  const last = <u32>load<u8>(field - 1);
  // MOV register, PUSH, CMP eax.
  if ((last & 0xf8) === 0xb8 || last === 0x68 || last === 0x3d) return true;
  if (known < LOOK_BACK) return false;
  const second = <u32>load<u8>(field - 2);
  const third = <u32>load<u8>(field - 3);
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
  return third === 0x44 && load<u8>(field - 4) === 0xc7;
}
