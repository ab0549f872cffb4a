// Grams: the byte groups by which common content is found.

/** Short grams find what is left, long ones what is sure. */
export const SHORT: i32 = 8;
export const LONG: i32 = 32;

/** A hash of a gram's 8 or 32 bytes; its top bits are the best mixed. */
@inline
export function gramHash(at: usize, isLong: bool): u64 {
  let x = load<u64>(at) * 0x9e3779b97f4a7c15;
  if (isLong) {
    x = (x ^ (x >> 29) ^ load<u64>(at, 24)) * 0xc2b2ae3d27d4eb4f;
    x = (x ^ (x >> 31) ^ load<u64>(at, 8)) * 0xc2b2ae3d27d4eb4f;
    x = (x ^ (x >> 30) ^ load<u64>(at, 16)) * 0xc2b2ae3d27d4eb4f;
  }
  return x;
}

/** True if the first 8 bytes have a period of 1 or 4: such grams are everywhere, and tell nothing. */
@inline
export function isDull(word: u64): bool {
  return word === rotl<u64>(word, 8) || <u32>word === <u32>(word >> 32);
}

/** True if the two grams are equal. */
@inline
export function sameGram(a: usize, b: usize, isLong: bool): bool {
  if (load<u64>(a) !== load<u64>(b)) return false;
  if (!isLong) return true;
  return (
    load<u64>(a, 8) === load<u64>(b, 8) &&
    load<u64>(a, 16) === load<u64>(b, 16) &&
    load<u64>(a, 24) === load<u64>(b, 24)
  );
}
