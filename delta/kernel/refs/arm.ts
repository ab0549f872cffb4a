// The Arm and Thumb instructions whose fields are references (ARMv7-A ARM, A6.3, A8.8).

/** Arm: B or BL, with a condition. */
export function isArmBranch(word: u32): bool {
  return (word & 0x0e000000) === 0x0a000000 && word >> 28 !== 15;
}

export function armBranchTarget(word: u32, place: u32): u32 {
  return place + 8 + (((<i32>(word << 8)) >> 8) << 2);
}

export function withArmTarget(word: u32, place: u32, target: u32): u32 {
  return (word & 0xff000000) | (((target - place - 8) >> 2) & 0xffffff);
}

/** Thumb: true if an instruction that begins with the halfword has 32 bits. */
@inline
export function isThumbWide(half: u32): bool {
  return half >= 0xe800;
}

/**
 * Thumb: true if an instruction begins at `at`, told from the halfwords from `least` on: after one that
 * begins no 32-bit instruction, one begins in any case.
 */
export function isThumbStart(at: usize, least: usize): bool {
  let first = at;
  while (first - least >= 2 && isThumbWide(load<u16>(first - 2))) first -= 2;
  return ((at - first) & 2) === 0;
}

/** Thumb: BL, BLX or B.W; the second halfword is the upper half of `word`. */
export function isThumbBranch(word: u32): bool {
  if ((word & 0xf800) !== 0xf000) return false;
  const second = word >> 16;
  return (second & 0x9000) === 0x9000 || isThumbExchange(word);
}

/** BLX, of those that {@link isThumbBranch} is true for: to Arm code, whose addresses are even words. */
export function isThumbExchange(word: u32): bool {
  return (word & 0xd0010000) === 0xc0000000;
}

function thumbBase(place: u32, exchange: bool): u32 {
  return exchange ? (place + 4) & ~3 : place + 4;
}

export function thumbBranchTarget(word: u32, place: u32): u32 {
  const sign = (word >> 10) & 1;
  const i1 = ((word >> 29) ^ sign ^ 1) & 1;
  const i2 = ((word >> 27) ^ sign ^ 1) & 1;
  const low = ((word & 0x3ff) << 12) | (((word >> 16) & 0x7ff) << 1);
  const distance = (<i32>(((sign << 24) | (i1 << 23) | (i2 << 22) | low) << 7)) >> 7;
  return thumbBase(place, isThumbExchange(word)) + distance;
}

export function withThumbTarget(word: u32, place: u32, target: u32, exchange: bool): u32 {
  const distance = target - thumbBase(place, exchange);
  const sign = (distance >> 24) & 1;
  const j1 = ((distance >> 23) ^ sign ^ 1) & 1;
  const j2 = ((distance >> 22) ^ sign ^ 1) & 1;
  const first = (word & 0xf800) | (sign << 10) | ((distance >> 12) & 0x3ff);
  const second = ((word >> 16) & 0xd000) | (j1 << 13) | (j2 << 11) | ((distance >> 1) & 0x7ff);
  return first | (second << 16);
}

/** The instructions of a PLT entry: add ip, pc, #n << 20; add ip, ip, #n << 12; ldr pc, [ip, #n]! */
const PLT_FIRST: u32 = 0xe28fc600;
const PLT_SECOND: u32 = 0xe28cca00;
const PLT_THIRD: u32 = 0xe5bcf000;

export function isPltEntry(at: usize): bool {
  return (
    (load<u32>(at) & ~0xff) === PLT_FIRST &&
    (load<u32>(at, 4) & ~0xff) === PLT_SECOND &&
    (load<u32>(at, 8) & ~0xfff) === PLT_THIRD
  );
}

/** The slot that the PLT entry at address `place` jumps through. */
export function pltTarget(at: usize, place: u32): u32 {
  const high = (load<u32>(at) & 0xff) << 20;
  const middle = (load<u32>(at, 4) & 0xff) << 12;
  return place + 8 + high + middle + (load<u32>(at, 8) & 0xfff);
}

export function putPltEntry(at: usize, place: u32, target: u32): void {
  const distance = target - place - 8;
  store<u32>(at, PLT_FIRST | ((distance >> 20) & 0xff));
  store<u32>(at, PLT_SECOND | ((distance >> 12) & 0xff), 4);
  store<u32>(at, PLT_THIRD | (distance & 0xfff), 8);
}

/** Where a word of 31 bits relative to itself leads (EHABI32 section 4, "prel31"). */
export function prel31Target(word: u32, place: u32): u32 {
  return place + <u32>((<i32>(word << 1)) >> 1);
}

export function withPrel31(word: u32, place: u32, target: u32): u32 {
  return (word & 0x80000000) | ((target - place) & 0x7fffffff);
}
