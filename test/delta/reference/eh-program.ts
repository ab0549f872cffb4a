import { product, u32 } from './word.ts';

/** States: before the first byte, after an operation, within its operands (CODING.md). */
const FIRST = 20;
const AFTER = 24;
const WITHIN = 96;

const DEFINE_FRAME = 0x0c;
const DEFINE_FRAME_OFFSET = 0x0e;

/** Bytes of operands that count; LEB128 counts as one. */
const OPERANDS = new Map([
  [0x02, 1],
  [0x03, 2],
  [0x04, 4],
  [DEFINE_FRAME, 2],
  [0x0d, 1],
  [DEFINE_FRAME_OFFSET, 1],
  [0x2e, 1],
]);

/** A call frame program as its bytes come: a rough notion of which operation a byte belongs to. */
export class EhProgram {
  /** The last four operations but advances, 8 bits each, the latest lowest. */
  operations = 0;
  /** The last byte of the last frame offset. */
  frameOffset = 0;
  /** Of all operations but advances. */
  hash = 0;
  advances = 0;
  #state = FIRST;
  #operandBytes = 0;

  get state(): number {
    return this.#operandBytes > 0 ? WITHIN + this.#state : this.#state;
  }

  note(byte: number): void {
    if (this.#operandBytes > 0) {
      this.#operandBytes--;
      const operation = this.#state - AFTER;
      const isFrame = operation === DEFINE_FRAME || operation === DEFINE_FRAME_OFFSET;
      if (this.#operandBytes === 0 && isFrame) this.frameOffset = byte;
      return;
    }
    const high = byte & 0xc0;
    if (high === 0x40 || (byte >= 2 && byte <= 4)) this.advances++;
    else {
      this.operations = u32((this.operations << 8) | byte);
      this.hash = u32(product(this.hash, 0x2f0b4c47) + byte + 1);
    }
    this.#state = high === 0 ? AFTER + byte : FIRST + (high >> 6);
    this.#operandBytes = high === 0x80 ? 1 : high === 0 ? (OPERANDS.get(byte) ?? 0) : 0;
  }
}
