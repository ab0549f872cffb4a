// A reference's field and its target: the bytes for a target, and the target of bytes. Addresses are
// counted modulo 2^32, as the instructions do.

import { Image, isLoaded, NO_PLACE, placeOf, valueOf } from '../elf/image';
import * as a64 from './a64';
import * as arm from './arm';
import { Kind } from './kinds';
import * as rv64 from './rv64';

/** Offsets of old or new bytes lie below. */
const OFFSET_END: u64 = 1 << 31;

/**
 * Writes the field at `at` (fieldBytes() of them, which hold a field of this kind) so that at `place`,
 * its address in `image`, it holds `target`. STEP32 and STEP64 follow from the entry before, not from
 * a target: they are left alone.
 */
export function putField(
  kind: u32,
  aux: u32,
  at: usize,
  place: u32,
  target: u32,
  base: u32,
  image: Image,
): void {
  switch (kind) {
    case Kind.X64_REL32:
      store<u32>(at, target - place - 4 - aux);
      break;
    case Kind.ABS64:
      store<u64>(at, valueOf(image, target));
      break;
    case Kind.ABS32:
      store<u32>(at, <u32>valueOf(image, target));
      break;
    case Kind.PC32:
      store<u32>(at, target - place);
      break;
    case Kind.BASE32:
    case Kind.OFF32:
    case Kind.TABLE32:
      store<u32>(at, target - base);
      break;
    case Kind.A32_PREL31:
      store<u32>(at, arm.withPrel31(load<u32>(at), place, target));
      break;
    case Kind.A64_B26:
    case Kind.A64_B19:
    case Kind.A64_B14:
      store<u32>(at, a64.withDistance(kind, load<u32>(at), target - place));
      break;
    case Kind.A64_ADRP:
      store<u32>(at, a64.withPage(load<u32>(at), place, target));
      break;
    case Kind.A64_LO12:
      store<u32>(at, a64.withLo12(load<u32>(at), aux, target));
      break;
    case Kind.T32_B25:
      store<u32>(at, arm.withThumbTarget(load<u32>(at), place, target, aux === 1));
      break;
    case Kind.A32_B24:
      store<u32>(at, arm.withArmTarget(load<u32>(at), place, target));
      break;
    case Kind.A32_LITERAL:
      store<u32>(at, target - base - aux);
      break;
    case Kind.A32_PLT:
      arm.putPltEntry(at, place, target);
      break;
    case Kind.RV_JAL:
    case Kind.RV_BRANCH:
      store<u32>(at, rv64.withDistance(kind, load<u32>(at), target - place));
      break;
    case Kind.RV_PAIR:
      store<u32>(at, rv64.withHigh(load<u32>(at), target - place));
      store<u32>(at, rv64.withLow(load<u32>(at, 4), target - place), 4);
      break;
    case Kind.RV_HIGH:
      store<u32>(at, rv64.withHigh(load<u32>(at), target - place));
      break;
    case Kind.RV_LOW:
      store<u32>(at, rv64.withLow(load<u32>(at), target - base));
      break;
    case Kind.FILE32:
      store<u32>(at, (target - base) / max<u32>(aux, 1));
      break;
    case Kind.SYMBOL:
      putSymbol(aux, at, target - base);
      break;
  }
}

/**
 * The target of the field at `at`, which stands at `place` in `image`; NO_PLACE if nothing is loaded
 * there or the bytes hold no such field. Of A64_LO12 only the low bits are known: the page is that of
 * `hint`. Of A64_ADRP, RV_HIGH and RV_LOW too little is: always NO_PLACE.
 */
@inline
export function takeField(
  kind: u32,
  aux: u32,
  at: usize,
  place: u32,
  base: u32,
  hint: u32,
  image: Image,
): u32 {
  switch (kind) {
    case Kind.FILE32:
      return offsetFrom(base, <u64>load<u32>(at) * max<u32>(aux, 1));
    case Kind.SYMBOL:
      return takeSymbol(aux, at, base);
    case Kind.ABS64:
      return placeOf(image, load<u64>(at));
    case Kind.ABS32:
      return placeOf(image, load<u32>(at));
    default: {
      const target = addressIn(kind, aux, at, place, base, hint);
      return isLoaded(image, target) ? target : NO_PLACE;
    }
  }
}

@inline
function addressIn(kind: u32, aux: u32, at: usize, place: u32, base: u32, hint: u32): u32 {
  const word = load<u32>(at);
  switch (kind) {
    case Kind.X64_REL32:
      return place + 4 + aux + word;
    case Kind.PC32:
      return place + word;
    case Kind.BASE32:
    case Kind.OFF32:
    case Kind.TABLE32:
      return base + word;
    case Kind.A32_PREL31:
      return arm.prel31Target(word, place);
    case Kind.A64_B26:
    case Kind.A64_B19:
    case Kind.A64_B14:
      return a64.branchKind(word) === kind ? a64.branchTarget(kind, word, place) : NO_PLACE;
    case Kind.A64_LO12: {
      if (a64.lo12Scale(word) !== aux) return NO_PLACE;
      const low = a64.lo12(word, aux);
      return low < 0x1000 ? (hint & ~0xfff) | low : NO_PLACE;
    }
    case Kind.T32_B25:
      if (!arm.isThumbBranch(word) || arm.isThumbExchange(word) !== (aux === 1)) return NO_PLACE;
      return arm.thumbBranchTarget(word, place);
    case Kind.A32_B24:
      return arm.isArmBranch(word) ? arm.armBranchTarget(word, place) : NO_PLACE;
    case Kind.A32_LITERAL:
      return word + base + aux;
    case Kind.A32_PLT:
      return arm.isPltEntry(at) ? arm.pltTarget(at, place) : NO_PLACE;
    case Kind.RV_JAL:
    case Kind.RV_BRANCH:
      return rv64.jumpKind(word) === kind ? rv64.jumpTarget(kind, word, place) : NO_PLACE;
    case Kind.RV_PAIR: {
      const low = load<u32>(at, 4);
      const isPair = rv64.isAuipc(word) && rv64.isLow(word, low);
      return isPair ? rv64.pairTarget(word, low, place) : NO_PLACE;
    }
    default:
      return NO_PLACE;
  }
}

/** ELF32 keeps the relocation's type in the low byte. */
function putSymbol(shift: u32, at: usize, distance: u32): void {
  if (shift === 0) store<u32>(at, distance / 24);
  else store<u32>(at, (load<u32>(at) & 0xff) | ((distance >> 4) << 8));
}

function takeSymbol(shift: u32, at: usize, base: u32): u32 {
  const value = <u64>load<u32>(at);
  return offsetFrom(base, shift === 0 ? value * 24 : (value >> 8) * 16);
}

function offsetFrom(base: u32, distance: u64): u32 {
  const offset = base + distance;
  return offset < OFFSET_END ? <u32>offset : NO_PLACE;
}
