// The compressed jumps of RISC-V (The RISC-V Instruction Set Manual, Volume I, "C" Standard Extension,
// "Control Transfer Instructions"): halfwords whose distance lies scattered in bits 2 to 12.

/** C.J; there is no C.JAL in RV64. */
export function isShortJump(half: u32): bool {
  return (half & 0xe003) === 0xa001;
}

/** C.BEQZ, C.BNEZ. */
export function isShortBranch(half: u32): bool {
  return (half & 0xc003) === 0xc001;
}

/** In bytes, -2048 to 2046. */
export function shortJumpDistance(half: u32): i32 {
  const low = ((half >> 2) & 0xe) | ((half >> 7) & 0x10) | ((half << 3) & 0x20);
  const middle = ((half >> 1) & 0x40) | ((half << 1) & 0x80) | ((half >> 1) & 0x300);
  const high = ((half << 2) & 0x400) | ((half >> 1) & 0x800);
  return (<i32>((low | middle | high) << 20)) >> 20;
}

export function withShortJumpDistance(half: u32, distance: u32): u32 {
  const low = ((distance & 0xe) << 2) | ((distance & 0x10) << 7) | ((distance & 0x20) >> 3);
  const middle =
    ((distance & 0x40) << 1) | ((distance & 0x80) >> 1) | ((distance & 0x300) << 1);
  const high = ((distance & 0x400) >> 2) | ((distance & 0x800) << 1);
  return (half & 0xe003) | low | middle | high;
}

/** In bytes, -256 to 254. */
export function shortBranchDistance(half: u32): i32 {
  const low = ((half >> 2) & 6) | ((half >> 7) & 0x18) | ((half << 3) & 0x20);
  const high = ((half << 1) & 0xc0) | ((half >> 4) & 0x100);
  return (<i32>((low | high) << 23)) >> 23;
}

export function withShortBranchDistance(half: u32, distance: u32): u32 {
  const low = ((distance & 6) << 2) | ((distance & 0x18) << 7) | ((distance & 0x20) >> 3);
  return (half & 0xe383) | low | ((distance & 0xc0) >> 1) | ((distance & 0x100) << 4);
}
