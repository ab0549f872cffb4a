/**
 * Some numbers of OSTree are big-endian inside a GVariant that is little-endian otherwise ("BE" in
 * the formats' descriptions): they are swapped before they are encoded and after they are decoded.
 */

/** Swaps the bytes of an unsigned 32-bit number. */
export function swap32(n: number): number {
  return (((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0;
}

/** Swaps the bytes of an unsigned 64-bit number. */
export function swap64(n: bigint): bigint {
  const low = swap32(Number(n & 0xffff_ffffn));
  const high = swap32(Number((n >> 32n) & 0xffff_ffffn));
  return (BigInt(low) << 32n) | BigInt(high);
}
