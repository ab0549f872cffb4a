// The RISC-V instructions whose fields are references (The RISC-V Instruction Set Manual, Volume I, "RV32I
// Base Integer Instruction Set", 2.4 to 2.6, and "RV64I"; "F" and "D" for more loads and stores).

import { Kind } from './kinds';

const enum Opcode {
  LOAD = 0x03,
  LOAD_FP = 0x07,
  OP_IMM = 0x13,
  AUIPC = 0x17,
  STORE = 0x23,
  STORE_FP = 0x27,
  BRANCH = 0x63,
  JALR = 0x67,
  JAL = 0x6f,
}

/** True if an instruction that begins with the halfword has 32 bits; longer ones are not in use. */
@inline
export function isWide(half: u32): bool {
  return (half & 3) === 3;
}

/**
 * True if an instruction begins at `at`, told from the halfwords from `least` on: after one that begins
 * no 32-bit instruction, one begins in any case.
 */
export function isStart(at: usize, least: usize): bool {
  let first = at;
  while (first - least >= 2 && isWide(load<u16>(first - 2))) first -= 2;
  return ((at - first) & 2) === 0;
}

/** RV_JAL, RV_BRANCH or NONE. */
export function jumpKind(word: u32): u32 {
  const opcode = word & 0x7f;
  if (opcode === Opcode.JAL) return Kind.RV_JAL;
  // 2 and 3 are no conditions.
  return opcode === Opcode.BRANCH && (word & 0x6000) !== 0x2000 ? Kind.RV_BRANCH : Kind.NONE;
}

/** Where the jump `word` of this kind leads from address `place`. */
export function jumpTarget(kind: u32, word: u32, place: u32): u32 {
  const sign = <u32>((<i32>word) >> 31);
  if (kind === Kind.RV_JAL) {
    const low = ((word >> 20) & 0x7fe) | ((word >> 9) & 0x800) | (word & 0xff000);
    return place + ((sign << 20) | low);
  }
  const low = ((word >> 7) & 0x1e) | ((word >> 20) & 0x7e0) | ((word << 4) & 0x800);
  return place + ((sign << 12) | low);
}

/** The jump, so that it leads `distance` bytes on. */
export function withDistance(kind: u32, word: u32, distance: u32): u32 {
  if (kind === Kind.RV_JAL) {
    const high = ((distance & 0x100000) << 11) | ((distance & 0x7fe) << 20);
    return (word & 0xfff) | high | ((distance & 0x800) << 9) | (distance & 0xff000);
  }
  const high = ((distance & 0x1000) << 19) | ((distance & 0x7e0) << 20);
  return (word & 0x01fff07f) | high | ((distance & 0x1e) << 7) | ((distance & 0x800) >> 4);
}

@inline
export function isAuipc(word: u32): bool {
  return (word & 0x7f) === Opcode.AUIPC;
}

/** The register that the AUIPC `word` sets. */
@inline
export function auipcRegister(word: u32): u32 {
  return (word >> 7) & 31;
}

/** True if `word` adds 12 bits to the register that the AUIPC `high` sets: ADDI, JALR, load, store. */
export function isLow(high: u32, word: u32): bool {
  if (((word >> 15) & 31) !== auipcRegister(high)) return false;
  const opcode = word & 0x7f;
  if (opcode === Opcode.OP_IMM || opcode === Opcode.JALR) return (word & 0x7000) === 0;
  return opcode === Opcode.LOAD || opcode === Opcode.LOAD_FP || isStore(word);
}

@inline
export function isJalr(word: u32): bool {
  return (word & 0x7f) === Opcode.JALR;
}

function isStore(word: u32): bool {
  const opcode = word & 0x7f;
  return opcode === Opcode.STORE || opcode === Opcode.STORE_FP;
}

/** Where the AUIPC `high` at address `place` and `low`, which adds to it, lead. */
export function pairTarget(high: u32, low: u32, place: u32): u32 {
  const added = <u32>((<i32>low) >> 20);
  const bits = isStore(low) ? (added & ~31) | ((low >> 7) & 31) : added;
  return place + (high & 0xfffff000) + bits;
}

/** The AUIPC, so that it leads `distance` bytes on, but for the 12 bits with a sign that are added. */
export function withHigh(word: u32, distance: u32): u32 {
  return (word & 0xfff) | ((distance + 0x800) & 0xfffff000);
}

/** What adds the lower 12 bits of `distance`. */
export function withLow(word: u32, distance: u32): u32 {
  if (!isStore(word)) return (word & 0xfffff) | (distance << 20);
  return (word & 0x01fff07f) | ((distance & 0xfe0) << 20) | ((distance & 31) << 7);
}
