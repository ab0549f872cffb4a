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
