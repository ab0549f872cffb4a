// Where calls, jumps and operands of x86-64 code lately led: of a target whose low bytes are known,
// the others are mostly those of one seen before.

import { alloc } from '../memory';

export const enum Branch {
  CALL = 0,
  JUMP = 1,
  /** A rip-relative operand. */
  DATA = 2,
}

const BITS: u32 = 14;
const SLOTS: usize = 1 << 14;
/** Kinds of {@link Branch}, rounded up to a power of two. */
const KINDS: u32 = 4;

/** u32 each: the last target with these low 16 bits, with these low 8, and after this target. */
let byHalf: usize = 0;
let byByte: usize = 0;
let byLast: usize = 0;
/** The last target of each kind. */
let lasts: usize = 0;
let tables: usize = 0;
let tableBytes: usize = 0;

export function openX64Targets(): void {
  tableBytes = SLOTS * 8 + <usize>KINDS * 257 * 4;
  tables = alloc(tableBytes);
  byHalf = tables;
  byLast = byHalf + SLOTS * 4;
  byByte = byLast + SLOTS * 4;
  lasts = byByte + <usize>KINDS * 256 * 4;
}

export function resetX64Targets(): void {
  memory.fill(tables, 0, tableBytes);
}

/** The kind of the field that follows `byte`, the last one of its opcode or ModRM byte. */
export function branchAfter(byte: u32): Branch {
  if (byte === 0xe8) return Branch.CALL;
  return byte === 0xe9 || (byte & 0xf0) === 0x80 ? Branch.JUMP : Branch.DATA;
}

@inline
function slot(table: usize, kind: u32, key: u32): usize {
  return table + (<usize>(((key * KINDS + kind) * 0x9e3779b1) >>> (32 - BITS)) << 2);
}

@inline
function byteSlot(kind: u32, low: u32): usize {
  return byByte + (<usize>((low & 255) * KINDS + kind) << 2);
}

export function learnBranch(kind: u32, target: u32): void {
  store<u32>(slot(byHalf, kind, target & 0xffff), target);
  store<u32>(byteSlot(kind, target), target);
  const last = lasts + (<usize>kind << 2);
  store<u32>(slot(byLast, kind, load<u32>(last)), target);
  store<u32>(last, target);
}

/** A target that has the low `known` bytes (0 to 3) of `low`; 0 if none is remembered. */
export function guessBranch(kind: u32, low: u32, known: u32): u32 {
  if (known === 0) return load<u32>(slot(byLast, kind, load<u32>(lasts + (<usize>kind << 2))));
  if (known === 1) return load<u32>(byteSlot(kind, low));
  const target = load<u32>(slot(byHalf, kind, low & 0xffff));
  const mask: u32 = known === 2 ? 0xffff : 0xffffff;
  return ((target ^ low) & mask) === 0 ? target : 0;
}
