// Numbers by their size or meaning, as contexts.

/** Bits that `value` needs. */
@inline
export function bits(value: u32): u32 {
  return 32 - clz(value);
}

/** Class of a confidence, 0 outside of references to 7. */
@inline
export function sureClass(confidence: u32): u32 {
  if (confidence === 0) return 0;
  if (confidence >= 50) return 7;
  return confidence === 49 ? 2 : 1 + ((confidence - 1) & 7);
}

/**
 * What an expected symbol of `width` bits (at most 8; none from 256 on) says of the next bit, `bit`, after
 * the bits so far in `symbol`: 0 nothing, 1 it is 0, 2 it is 1.
 */
@inline
export function expectedBit(expected: u32, symbol: u32, bit: i32, width: u32): u32 {
  if (expected >= 256) return 0;
  return (expected | (1 << width)) >>> (bit + 1) === symbol ? 1 + ((expected >>> bit) & 1) : 0;
}
