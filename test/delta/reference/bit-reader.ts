import { check } from './word.ts';

/** Gives the next decision; `p` is the probability of 1 in 20 bits. */
export type BitSource = (p: number) => number;

/** The arithmetic decoder (CODING.md, "Arithmetic coder"). */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #low = 0;
  #high = 0xffffffff;
  #code = 0;
  #missing = 0;
  readonly next: BitSource = (p) => this.#decide(p);

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#byte()) >>> 0;
  }

  get isUsedUp(): boolean {
    return this.#at === this.#bytes.length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte !== undefined) {
      this.#at++;
      return byte;
    }
    check(++this.#missing <= 4, 'coded bytes end early');
    return 0;
  }

  #decide(p: number): number {
    const middle = this.#low + Math.floor(((this.#high - this.#low) * p) / 1048576);
    const bit = this.#code <= middle ? 1 : 0;
    if (bit === 1) this.#high = middle;
    else this.#low = middle + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#code = ((this.#code << 8) | this.#byte()) >>> 0;
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 255) >>> 0;
    }
    return bit;
  }
}
