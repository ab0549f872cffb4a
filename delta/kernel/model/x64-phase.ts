// Where the next byte stands in its x86-64 instruction, followed byte by byte. Bytes that are no
// instruction are followed as if they were one; after a few instructions it is in step again.

import { AFTER_0F, Form, ONE_BYTE } from './x64-opcodes';

/** What the next byte is; of several bytes, the first has the number given and the others go on. */
export const enum Step {
  START = 0,
  AFTER_PREFIX = 1,
  AFTER_REX = 2,
  AFTER_0F = 3,
  AFTER_0F38 = 4,
  AFTER_0F3A = 5,
  VEX = 6,
  AFTER_VEX = 9,
  MODRM = 10,
  SIB = 11,
  DISP8 = 12,
  DISP32 = 13,
  REL8 = 17,
  REL32 = 18,
  /** A displacement from the instruction's end. */
  RIP32 = 22,
  IMM8 = 26,
  IMM16 = 27,
  IMM32 = 30,
  IMM64 = 34,
}

/** Bits of `prefixes`; F2 and F3 are 2 and 3 above them. */
const WIDE: u32 = 1;
const NARROW: u32 = 2;

export let step: i32 = Step.START;
/** Bytes of immediate that follow the displacement. */
export let immediate: u32 = 0;
/** The opcode (8 bits), its map (2) and the prefixes that change it; 0 before. */
export let opcode: u32 = 0;
/** The ModRM byte, 0 before. */
export let modrm: u32 = 0;
/** Hash of the instruction's bytes so far. */
export let soFar: u32 = 0;
/** The three instructions before, the last one first: opcode, ModRM byte << 16. */
export let last1: u32 = 0;
export let last2: u32 = 0;
export let last3: u32 = 0;

let map: u32 = 0;
let prefixes: u32 = 0;
/** Bytes to come of the operand (or VEX prefix) at hand. */
let left: u32 = 0;

/** The next byte is an instruction's first, after unknown ones. */
export function resetPhase(): void {
  last1 = last2 = last3 = 0;
  begin();
}

function begin(): void {
  step = Step.START;
  immediate = opcode = modrm = soFar = map = prefixes = left = 0;
}

function finish(): void {
  last3 = last2;
  last2 = last1;
  last1 = opcode | (modrm << 16);
  begin();
}

/** Goes on over `byte`. */
export function stepPhase(byte: u32): void {
  soFar = (soFar + byte + 1) * 0x2f0b4c47;
  soFar ^= soFar >>> 15;
  if (step <= Step.AFTER_REX) readOpcode(byte);
  else if (step < Step.MODRM) readLongOpcode(byte);
  else if (step === Step.MODRM) readModRm(byte);
  else if (step === Step.SIB) readSib(byte);
  else readOperand();
}

function readOpcode(byte: u32): void {
  const form: u32 = load<u8>(ONE_BYTE + <usize>byte);
  switch (form) {
    case Form.PREFIX:
      if (byte === 0x66) prefixes |= NARROW;
      else if (byte >= 0xf2) prefixes |= (byte & 3) << 2;
      step = Step.AFTER_PREFIX;
      break;
    case Form.REX:
      if (byte & 8) prefixes |= WIDE;
      step = Step.AFTER_REX;
      break;
    case Form.ESCAPE:
      step = Step.AFTER_0F;
      break;
    case Form.VEX:
      map = byte === 0xc5 ? 1 : 0;
      left = byte === 0xc5 ? 1 : byte === 0xc4 ? 2 : 3;
      step = Step.VEX;
      break;
    default:
      readForm(byte, form);
  }
}

function readLongOpcode(byte: u32): void {
  if (step === Step.AFTER_0F && byte === 0x38) step = Step.AFTER_0F38;
  else if (step === Step.AFTER_0F && byte === 0x3a) step = Step.AFTER_0F3A;
  else if (step < Step.VEX) readOfMap(byte, <u32>(step - Step.AFTER_0F) + 1);
  else if (step === Step.AFTER_VEX) readOfMap(byte, map);
  else {
    if (map === 0) map = byte & 3;
    left--;
    step = left === 0 ? Step.AFTER_VEX : step + 1;
  }
}

function readOfMap(byte: u32, found: u32): void {
  map = found;
  if (found === 3) readForm(byte, Form.MODRM_IMM8);
  else readForm(byte, found === 2 ? Form.MODRM : <u32>load<u8>(AFTER_0F + <usize>byte));
}

function readForm(byte: u32, form: u32): void {
  opcode = byte | (map << 8) | (prefixes << 10);
  const word: u32 = prefixes & NARROW ? 2 : 4;
  switch (form) {
    case Form.MODRM:
    case Form.GROUP3:
      return expectModRm(0);
    case Form.MODRM_IMM8:
      return expectModRm(1);
    case Form.MODRM_IMM32:
      return expectModRm(word);
    case Form.IMM8:
      return expectImmediate(1);
    case Form.IMM16:
      return expectImmediate(2);
    case Form.IMM24:
      return expectImmediate(3);
    case Form.IMM32:
      return expectImmediate(word);
    case Form.IMM64:
      return expectImmediate(prefixes & WIDE ? 8 : word);
    case Form.OFFSET:
      return expectImmediate(8);
    case Form.REL8:
      return expect(Step.REL8, 1);
    case Form.REL32:
      return expect(Step.REL32, 4);
    default:
      finish();
  }
}

@inline
function expect(first: i32, bytes: u32): void {
  step = first;
  left = bytes;
}

@inline
function expectModRm(following: u32): void {
  step = Step.MODRM;
  immediate = following;
}

function expectImmediate(bytes: u32): void {
  immediate = 0;
  expect(
    bytes === 1 ? Step.IMM8 : bytes < 4 ? Step.IMM16 : bytes === 4 ? Step.IMM32 : Step.IMM64,
    bytes,
  );
}

function readModRm(byte: u32): void {
  modrm = byte;
  const group = opcode & 0x3fe;
  if (group === 0xf6 && (byte & 0x30) === 0) {
    immediate = (opcode & 1) === 0 ? 1 : prefixes & NARROW ? 2 : 4;
  }
  if (byte < 0xc0 && (byte & 7) === 4) step = Step.SIB;
  else expectDisplacement((byte & 0xc7) === 5 ? Step.RIP32 : 0);
}

/** Base 5 without displacement means a displacement without base. */
function readSib(byte: u32): void {
  expectDisplacement((byte & 7) === 5 && modrm < 0x40 ? Step.DISP32 : 0);
}

/** `first` is the displacement that there is in any case, or 0. */
function expectDisplacement(first: i32): void {
  const mode = modrm >>> 6;
  if (first !== 0) expect(first, 4);
  else if (mode === 1) expect(Step.DISP8, 1);
  else if (mode === 2) expect(Step.DISP32, 4);
  else if (immediate !== 0) expectImmediate(immediate);
  else finish();
}

function readOperand(): void {
  step++;
  left--;
  if (left !== 0) return;
  if (immediate !== 0) expectImmediate(immediate);
  else finish();
}
