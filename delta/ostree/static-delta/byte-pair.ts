/** The highest bit of each of four bytes, and all the others. */
const HIGH_BITS = 0x8080_8080;
const LOW_BITS = 0x7f7f_7f7f;
/** The lowest bit of each of four bytes. */
const UNITS = 0x0101_0101;

/** An old and a new file in memory; their bytes are compared and subtracted four at a time. */
export class BytePair {
  readonly #old: DataView;
  readonly #fresh: DataView;

  constructor(old: Uint8Array, fresh: Uint8Array) {
    this.#old = viewOf(old);
    this.#fresh = viewOf(fresh);
  }

  /** How many of `length` bytes are the same in both. */
  countEqual(oldOffset: number, newOffset: number, length: number): number {
    const whole = length & ~3;
    let equal = 0;
    let i = 0;
    for (; i < whole; i += 4) {
      const differing =
        this.#old.getInt32(oldOffset + i, true) ^ this.#fresh.getInt32(newOffset + i, true);
      if (differing === 0) equal += 4;
      else equal += 4 - bytesOtherThan0(differing);
    }
    for (; i < length; i += 1) {
      if (this.#old.getUint8(oldOffset + i) === this.#fresh.getUint8(newOffset + i)) equal += 1;
    }
    return equal;
  }

  /** How many of `length` bytes are the same in both before the first that differ. */
  equalRun(oldOffset: number, newOffset: number, length: number): number {
    let i = 0;
    while (
      i + 4 <= length &&
      this.#old.getInt32(oldOffset + i, true) === this.#fresh.getInt32(newOffset + i, true)
    ) {
      i += 4;
    }
    while (
      i < length &&
      this.#old.getUint8(oldOffset + i) === this.#fresh.getUint8(newOffset + i)
    ) {
      i += 1;
    }
    return i;
  }

  /** Writes the new bytes less the old ones, modulo 256, to the beginning of `to`: as many as it takes. */
  subtract(oldOffset: number, newOffset: number, to: Uint8Array): void {
    const { length } = to;
    const view = viewOf(to);
    const whole = length & ~3;
    let i = 0;
    for (; i < whole; i += 4) {
      const fresh = this.#fresh.getInt32(newOffset + i, true);
      const old = this.#old.getInt32(oldOffset + i, true);
      // Without the highest bits no byte borrows from its neighbour (Warren, "Hacker's Delight", 2-18).
      const difference = ((fresh | HIGH_BITS) - (old & LOW_BITS)) ^ (~(fresh ^ old) & HIGH_BITS);
      view.setInt32(i, difference, true);
    }
    for (; i < length; i += 1) {
      view.setUint8(i, this.#fresh.getUint8(newOffset + i) - this.#old.getUint8(oldOffset + i));
    }
  }
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Of four. */
function bytesOtherThan0(word: number): number {
  const marked = (((word & LOW_BITS) + LOW_BITS) | word) & HIGH_BITS;
  return Math.imul(marked >>> 7, UNITS) >>> 24;
}
