// LZMA's range coder (LZMA specification, "Range coding"), into a buffer of its own.

const TOP: u32 = 1 << 24;
const MODEL_BITS: u32 = 11;
const MOVE_BITS: u32 = 5;

/** Where coded bytes go. */
export let coded: usize = 0;
export let codedEnd: usize = 0;

let low: u64 = 0;
let range: u32 = 0;
/** Bytes held back, since a carry may still change them; the first is `held`, the others 0xff. */
let pending: u32 = 0;
let held: u32 = 0;

/** Begins anew at `at`. */
export function openRange(at: usize): void {
  coded = at;
  codedEnd = at;
  low = 0;
  range = 0xffffffff;
  pending = 1;
  held = 0;
}

/** Bytes that there would be if the coding ended here. */
@inline
export function codedBytes(): u32 {
  return <u32>(codedEnd - coded) + pending + 4;
}

export function flushRange(): void {
  for (let i = 0; i < 5; i++) shiftLow();
}

export function codeBit(model: usize, bit: u32): void {
  const probability = <u32>load<u16>(model);
  const bound = (range >> MODEL_BITS) * probability;
  if (bit === 0) {
    range = bound;
    store<u16>(model, <u16>(probability + ((2048 - probability) >> MOVE_BITS)));
  } else {
    low += <u64>bound;
    range -= bound;
    store<u16>(model, <u16>(probability - (probability >> MOVE_BITS)));
  }
  while (range < TOP) {
    range <<= 8;
    shiftLow();
  }
}

/** The low `bits` bits of `value`, the highest first, in a tree of models. */
export function codeTree(tree: usize, bits: u32, value: u32): void {
  let at: u32 = 1;
  while (bits > 0) {
    bits--;
    const bit = (value >> bits) & 1;
    codeBit(tree + (<usize>at << 1), bit);
    at = (at << 1) | bit;
  }
}

/** The low `bits` bits of `value`, the lowest first. */
export function codeReverseTree(tree: usize, bits: u32, value: u32): void {
  let at: u32 = 1;
  for (; bits > 0; bits--) {
    const bit = value & 1;
    value >>= 1;
    codeBit(tree + (<usize>at << 1), bit);
    at = (at << 1) | bit;
  }
}

/** Bits without a model, the highest first. */
export function codeDirect(value: u32, bits: u32): void {
  while (bits > 0) {
    bits--;
    range >>= 1;
    low += <u64>(range & (0 - ((value >> bits) & 1)));
    while (range < TOP) {
      range <<= 8;
      shiftLow();
    }
  }
}

function shiftLow(): void {
  if (<u32>low < 0xff000000 || <u32>(low >> 32) !== 0) {
    const carry = <u32>(low >> 32);
    do {
      store<u8>(codedEnd++, <u8>(held + carry));
      held = 0xff;
      pending--;
    } while (pending !== 0);
    held = <u32>(low >> 24) & 0xff;
  }
  pending++;
  low = (low & 0x00ffffff) << 8;
}
