// Comparing bytes, many at a time, never past the limits given.

/** Length of the common beginning of what is at `a` and `b`, at most `limit`. */
export function equalBytes(a: usize, b: usize, limit: i32): i32 {
  let n: i32 = 0;
  while (n + 8 <= limit) {
    const x = load<u64>(a + n) ^ load<u64>(b + n);
    if (x !== 0) return n + ((<i32>ctz(x)) >> 3);
    n += 8;
    if (n < 64) continue;
    while (n + 32 <= limit) {
      const low = v128.xor(v128.load(a + n), v128.load(b + n));
      const high = v128.xor(v128.load(a + n, 16), v128.load(b + n, 16));
      if (v128.any_true(v128.or(low, high))) break;
      n += 32;
    }
  }
  while (n < limit && load<u8>(a + n) === load<u8>(b + n)) n++;
  return n;
}

/** Bit k of the result: bytes k of `a` and `b` are equal; for k below `count`, which is at most 48. */
export function equalMask(a: usize, b: usize, count: i32): u64 {
  let mask: u64 = 0;
  let n: i32 = 0;
  for (; n + 16 <= count; n += 16) {
    const equal = i8x16.eq(v128.load(a + n), v128.load(b + n));
    mask |= (<u64>(<u32>i8x16.bitmask(equal))) << n;
  }
  for (; n < count; n++) mask |= (<u64>(load<u8>(a + n) === load<u8>(b + n))) << n;
  return mask;
}

/** How many of `length` bytes differ. */
export function countDifferences(a: usize, b: usize, length: u32): u32 {
  let n: u32 = 0;
  let equal: u32 = 0;
  for (; length - n >= 16; n += 16) {
    equal += popcnt(<u32>i8x16.bitmask(i8x16.eq(v128.load(a + n), v128.load(b + n))));
  }
  for (; n < length; n++) equal += <u32>(load<u8>(a + n) === load<u8>(b + n));
  return length - equal;
}
