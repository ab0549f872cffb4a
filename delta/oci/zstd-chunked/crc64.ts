/** CRC-64 of ISO 3309, reflected, as Go's `hash/crc64` has it in its table ISO. */
const POLYNOMIAL_HIGH = 0xd8000000;

const TABLE_HIGH = new Uint32Array(256);
const TABLE_LOW = new Uint32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let [high, low] = [0, byte];
  for (let bit = 0; bit < 8; bit += 1) {
    const carry = low & 1;
    low = ((low >>> 1) | (high << 31)) >>> 0;
    high >>>= 1;
    if (carry === 1) high = (high ^ POLYNOMIAL_HIGH) >>> 0;
  }
  TABLE_HIGH[byte] = high;
  TABLE_LOW[byte] = low;
}

/** The checksum that tar-split keeps of each file's content. */
export class Crc64 {
  #high = 0xffffffff;
  #low = 0xffffffff;

  update(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (const byte of bytes) {
      const index = (low ^ byte) & 0xff;
      low = (((low >>> 8) | (high << 24)) ^ (TABLE_LOW[index] ?? 0)) >>> 0;
      high = ((high >>> 8) ^ (TABLE_HIGH[index] ?? 0)) >>> 0;
    }
    this.#high = high;
    this.#low = low;
  }

  /** Eight bytes, big endian. */
  digest(): Buffer {
    const out = Buffer.alloc(8);
    out.writeUInt32BE(~this.#high >>> 0, 0);
    out.writeUInt32BE(~this.#low >>> 0, 4);
    return out;
  }
}
