/** Mixes up to four context values; the high bits are the good ones. */
@inline
export function hash(a: u32, b: u32, c: u32 = 0, d: u32 = 0): u32 {
  let h = a * 0x2f0b4c47 + b * 0x85ebca6b + c * 0xc2b2ae35 + d * 0x27d4eb2f + 0x165667b1;
  h ^= h >>> 15;
  h *= 0x9e3779b1;
  return h ^ (h >>> 13);
}
