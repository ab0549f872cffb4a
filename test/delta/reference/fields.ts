// The bytes of a field for a target, and the target of bytes (CODING.md, "Fields").

import * as a64 from './a64.ts';
import * as arm from './arm.ts';
import type { Bytes } from './bytes.ts';
import type { Image } from './image.ts';
import { Kind } from './kinds.ts';
import * as rv64 from './rv64.ts';
import { u32 } from './word.ts';

/** A field: its bytes from `at`, at address `place` (or its new offset, where it has no address). */
export interface Field {
  readonly kind: Kind;
  readonly aux: number;
  readonly place: number;
  /** New place of the base. */
  readonly base: number;
}

/** Writes the field so that it holds `target`. */
export function putField(
  bytes: Bytes,
  at: number,
  field: Field,
  target: number,
  image: Image,
): void {
  const { kind, aux, place, base } = field;
  const put = (value: number) => {
    bytes.setU32(at, u32(value));
  };
  switch (kind) {
    case Kind.x64Relative:
      put(target - place - 4 - aux);
      break;
    case Kind.address64:
      bytes.setU64(at, image.valueOf(target));
      break;
    case Kind.address32:
      put(Number(image.valueOf(target) & 0xffffffffn));
      break;
    case Kind.fromPlace:
      put(target - place);
      break;
    case Kind.fromBase:
    case Kind.fromTable:
    case Kind.jumpTable:
      put(target - base);
      break;
    case Kind.armUnwind:
      put((bytes.u32(at) & 0x80000000) | ((target - place) & 0x7fffffff));
      break;
    case Kind.a64Branch26:
    case Kind.a64Branch19:
    case Kind.a64Branch14:
      put(a64.withDistance(kind, bytes.u32(at), target - place));
      break;
    case Kind.a64Page:
      put(a64.withPage(bytes.u32(at), place, target));
      break;
    case Kind.a64Low12:
      put(a64.withLow12(bytes.u32(at), aux, target));
      break;
    case Kind.thumbBranch:
      put(arm.withThumbTarget(bytes.u32(at), place, target, aux === 1));
      break;
    case Kind.armBranch:
      put(arm.withArmTarget(bytes.u32(at), place, target));
      break;
    case Kind.armLiteral:
      put(target - base - aux);
      break;
    case Kind.armPlt:
      arm.putPltEntry(bytes, at, place, target);
      break;
    case Kind.rvJump:
    case Kind.rvBranch:
      put(rv64.withJumpDistance(kind, bytes.u32(at), target - place));
      break;
    case Kind.rvPair:
      put(rv64.withHigh(bytes.u32(at), target - place));
      bytes.setU32(at + 4, rv64.withLow(bytes.u32(at + 4), target - place));
      break;
    case Kind.rvHigh:
      put(rv64.withHigh(bytes.u32(at), target - place));
      break;
    case Kind.rvLow:
      put(rv64.withLow(bytes.u32(at), target - base));
      break;
    case Kind.file32:
      put(Math.floor(u32(target - base) / Math.max(aux, 1)));
      break;
    case Kind.symbol:
      if (aux === 0) put(Math.floor(u32(target - base) / 24));
      else put((bytes.u32(at) & 0xff) | ((u32(target - base) >>> 4) << 8));
      break;
    case Kind.step32:
    case Kind.step64:
      break;
  }
}

/** The target of a field; undefined if it leads nowhere or the bytes are none of its kind. */
export function takeField(
  bytes: Bytes,
  at: number,
  field: Field,
  hint: number,
  image: Image,
): number | undefined {
  const { kind, aux, base } = field;
  const word = bytes.u32(at);
  switch (kind) {
    case Kind.file32:
      return below31(base + word * Math.max(aux, 1));
    case Kind.symbol:
      return below31(base + (aux === 0 ? word * 24 : (word >>> 8) * 16));
    case Kind.address64:
      return image.placeOf(bytes.u64(at));
    case Kind.address32:
      return image.placeOf(BigInt(word));
    default: {
      const target = addressIn(bytes, at, field, hint);
      return target !== undefined && image.isLoaded(u32(target)) ? u32(target) : undefined;
    }
  }
}

function below31(offset: number): number | undefined {
  return offset < 2 ** 31 ? offset : undefined;
}

function addressIn(bytes: Bytes, at: number, field: Field, hint: number): number | undefined {
  const { kind, aux, place, base } = field;
  const word = bytes.u32(at);
  switch (kind) {
    case Kind.x64Relative:
      return place + 4 + aux + word;
    case Kind.fromPlace:
      return place + word;
    case Kind.fromBase:
    case Kind.fromTable:
    case Kind.jumpTable:
      return base + word;
    case Kind.armUnwind:
      return place + ((word << 1) >> 1);
    case Kind.a64Branch26:
    case Kind.a64Branch19:
    case Kind.a64Branch14:
      return a64.branchKind(word) === kind ? a64.branchTarget(kind, word, place) : undefined;
    case Kind.a64Low12: {
      const low = a64.low12(word, aux);
      if (a64.low12Scale(word) !== aux || low >= 0x1000) return undefined;
      return u32(hint & ~0xfff) + low;
    }
    case Kind.thumbBranch: {
      const isSame = arm.isThumbBranch(word) && arm.isThumbExchange(word) === (aux === 1);
      return isSame ? arm.thumbBranchTarget(word, place) : undefined;
    }
    case Kind.armBranch:
      return arm.isArmBranch(word) ? arm.armBranchTarget(word, place) : undefined;
    case Kind.armLiteral:
      return word + base + aux;
    case Kind.armPlt:
      return arm.isPltEntry(bytes, at) ? arm.pltTarget(bytes, at, place) : undefined;
    case Kind.rvJump:
    case Kind.rvBranch:
      return rv64.jumpKind(word) === kind ? place + rv64.jumpDistance(kind, word) : undefined;
    case Kind.rvPair: {
      const low = bytes.u32(at + 4);
      const isPair = rv64.isAuipc(word) && rv64.addsTo(word, low);
      return isPair ? place + rv64.pairDistance(word, low) : undefined;
    }
    default:
      return undefined;
  }
}
