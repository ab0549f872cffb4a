/**
 * What a reference field is: how its bytes hold the target. "Address" is a place of the old address
 * space (see elf/image.ts), "offset" one of the old bytes.
 */
export const enum Kind {
  NONE = 0,
  /** x86-64: 32 bits relative to the instruction's end; `aux` is the number of immediate bytes after the field. */
  X64_REL32 = 1,
  /** The address itself. */
  ABS64 = 2,
  ABS32 = 3,
  /** 32 bits relative to the field. */
  PC32 = 4,
  /** 32 bits relative to `base`, an address (.eh_frame_hdr). */
  BASE32 = 5,
  /** AArch64: B, BL (26 bits of words). */
  A64_B26 = 6,
  /** AArch64: B.cond, CBZ, CBNZ (19 bits of words). */
  A64_B19 = 7,
  /** AArch64: TBZ, TBNZ (14 bits of words). */
  A64_B14 = 8,
  /** AArch64: ADRP (21 bits of pages). */
  A64_ADRP = 9,
  /** AArch64: low 12 bits of an ADRP's target in ADD, LDR, STR; `aux` is the scale as a shift. */
  A64_LO12 = 10,
  /** Thumb: BL, BLX, B.W (25 bits); `aux` 1 for BLX. */
  T32_B25 = 11,
  /** Arm: B, BL (24 bits of words). */
  A32_B24 = 12,
  /** 32 bits relative to `base`, an address (Go tables). */
  OFF32 = 13,
  /** Arm, Thumb: a literal pool word added to the pc; `base` is the address of the adding instruction, `aux` the pc's lead (8 or 4). */
  A32_LITERAL = 14,
  /** 32 bits: an offset from `base`, both offsets of old bytes; in units of `aux` (0: bytes) (st_name, Go _func). */
  FILE32 = 15,
  /** Symbol index in r_info: target and base are offsets of old bytes, an entry has 24 (ELF64) or 16 bytes; `aux` 8: shifted by 8 bits (ELF32). */
  SYMBOL = 16,
  /** Arm: the three instructions of a PLT entry. */
  A32_PLT = 17,
  /** 32 bits that go up by the same step as in the old file; the previous entry is `aux` bytes before. */
  STEP32 = 18,
  STEP64 = 19,
  /** Arm: 31 bits relative to the field, below a bit that is no part of it (.ARM.exidx). */
  A32_PREL31 = 20,
  /** x86-64: a word of a jump table, relative to `base`, the address of the table's first word. */
  TABLE32 = 21,
  /** RISC-V: JAL (20 bits of halfwords). */
  RV_JAL = 22,
  /** RISC-V: conditional branches of 32 bits (12 bits of halfwords). */
  RV_BRANCH = 23,
  /** RISC-V: AUIPC and, right after it, the ADDI, JALR, load or store that adds to it. */
  RV_PAIR = 24,
  /** RISC-V: an AUIPC that the like is added to later. */
  RV_HIGH = 25,
  /** RISC-V: what adds to an AUIPC; `base` is the AUIPC's address. */
  RV_LOW = 26,
}

/** Bytes of the field. */
export function fieldBytes(kind: u32): u32 {
  if (kind === Kind.A32_PLT) return 12;
  return kind === Kind.ABS64 || kind === Kind.STEP64 || kind === Kind.RV_PAIR ? 8 : 4;
}

/** True if target and base are offsets of old bytes rather than addresses. */
export function isOffsetKind(kind: u32): bool {
  return kind === Kind.FILE32 || kind === Kind.SYMBOL;
}

/** True if the field is relative to `base`. */
export function hasBase(kind: u32): bool {
  return (
    kind === Kind.BASE32 ||
    kind === Kind.OFF32 ||
    kind === Kind.TABLE32 ||
    kind === Kind.A32_LITERAL ||
    kind === Kind.FILE32 ||
    kind === Kind.SYMBOL ||
    kind === Kind.RV_LOW
  );
}

/** One reference: 16 bytes. References of a page ascend by offset and do not overlap. */
@unmanaged
export class Ref {
  /** Of the field, in the bytes scanned. */
  offset: u32;
  target: u32;
  base: u32;
  kind: u8;
  aux: u8;
  unused: u16;
}

export const REF_BYTES: usize = 16;
