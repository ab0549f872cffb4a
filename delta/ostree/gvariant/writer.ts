import { DeltaError } from '../../errors.ts';
import { paddingAt, type OffsetWidth } from './framing.ts';
import { VARIANT_LIMITS } from './limits.ts';

/** A growing buffer. Its start counts as aligned, so every alignment inside follows from offsets. */
export class VariantWriter {
  #buffer = Buffer.alloc(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Room for that many bytes at the end, zero so far. */
  grow(bytes: number): { readonly buffer: Buffer; readonly at: number } {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > VARIANT_LIMITS.bytes) {
      throw new DeltaError('too_large', `a GVariant of more than ${VARIANT_LIMITS.bytes} bytes`);
    }
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return { buffer: this.#buffer, at };
  }

  align(alignment: number): void {
    this.grow(paddingAt(this.#length, alignment));
  }

  bytes(bytes: Uint8Array): void {
    const { buffer, at } = this.grow(bytes.length);
    buffer.set(bytes, at);
  }

  byte(value: number): void {
    const { buffer, at } = this.grow(1);
    buffer[at] = value;
  }

  offset(value: number, width: OffsetWidth): void {
    const { buffer, at } = this.grow(width);
    buffer.writeUIntLE(value, at, width);
  }

  /** Everything written; the writer is spent. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
