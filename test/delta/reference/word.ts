// Numbers of 32 bits: the kernel counts modulo 2^32, JavaScript does not.

/** The number modulo 2^32. */
export function u32(value: number): number {
  return value >>> 0;
}

export function product(a: number, b: number): number {
  return Math.imul(a, b) >>> 0;
}

/** How many bits the number has; 0 for 0. */
export function bitsOf(value: number): number {
  return 32 - Math.clz32(value);
}

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** Mixes up to four context values (CODING.md, "Hashes"). */
export function hash(a: number, b: number, c = 0, d = 0): number {
  let h =
    Math.imul(a, 0x2f0b4c47) +
    Math.imul(b, 0x85ebca6b) +
    Math.imul(c, 0xc2b2ae35) +
    Math.imul(d, 0x27d4eb2f) +
    0x165667b1;
  h = Math.imul(h ^ (h >>> 15), 0x9e3779b1);
  return u32(h ^ (h >>> 13));
}

/** Anything that CODING.md does not allow. */
export class FormatFault extends Error {
  override readonly name = 'FormatFault';
}

export function check(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new FormatFault(what);
}
