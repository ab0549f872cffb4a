/** Bytes with little-endian words; reading outside of them throws a RangeError. */
export class Bytes {
  readonly array: Uint8Array;
  readonly #view: DataView;

  constructor(array: Uint8Array) {
    this.array = array;
    this.#view = new DataView(array.buffer, array.byteOffset, array.length);
  }

  get length(): number {
    return this.array.length;
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  setU8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }

  setU16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  setU64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }

  /** A copy of `length` bytes. */
  copy(at: number, length: number): Bytes {
    if (at + length > this.length) throw new RangeError(`${at} + ${length} > ${this.length}`);
    return new Bytes(new Uint8Array(this.array.subarray(at, at + length)));
  }
}
