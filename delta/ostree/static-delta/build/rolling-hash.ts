/** Multiplier of the polynomial; odd, so that no bit of an old byte is lost. */
const FACTOR = 0x2f0b_4c47;

/** A polynomial hash of a block that can be rolled on byte by byte (Karp and Rabin, 1987; modulo 2^32). */
export class RollingHash {
  readonly blockBytes: number;
  readonly #outFactor: number;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
    let out = 1;
    for (let i = 0; i < blockBytes; i += 1) out = Math.imul(out, FACTOR);
    this.#outFactor = out;
  }

  /** The hash of the block at `at`, which must lie within the bytes. */
  of(bytes: Uint8Array, at: number): number {
    let hash = 0;
    for (let i = at; i < at + this.blockBytes; i += 1) {
      hash = (Math.imul(hash, FACTOR) + (bytes[i] ?? 0)) | 0;
    }
    return hash;
  }

  /** The hash of the block one byte further than the one at `at`. */
  roll(hash: number, bytes: Uint8Array, at: number): number {
    const out = Math.imul(bytes[at] ?? 0, this.#outFactor);
    return (Math.imul(hash, FACTOR) + (bytes[at + this.blockBytes] ?? 0) - out) | 0;
  }
}

/** Spreads a hash over `2^(32 - shift)` buckets. */
export function bucketOf(hash: number, shift: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x9e37_79b1) >>> shift;
}
