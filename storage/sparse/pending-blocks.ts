/** Partly written blocks held in memory at once; the oldest is given up first. */
const MAX_PENDING = 16;

/** A block's bytes from its beginning, without a gap. */
interface PendingBlock {
  readonly bytes: Buffer;
  length: number;
}

/** Puts blocks together from pieces that come in order, of several blocks at once. */
export class PendingBlocks {
  readonly #blocks = new Map<number, PendingBlock>();

  /**
   * Adds a piece that begins at byte `at` of a block of `length` bytes. Returns the block's bytes once
   * they are whole. A piece that does not continue
   * its block is ignored.
   */
  add(block: number, at: number, bytes: Uint8Array, length: number): Uint8Array | undefined {
    if (at === 0 && bytes.length === length) {
      this.#blocks.delete(block);
      return bytes;
    }
    const pending = this.#blocks.get(block) ?? (at === 0 ? this.#begin(block, length) : undefined);
    if (pending?.length !== at) return undefined;
    pending.bytes.set(bytes, at);
    pending.length += bytes.length;
    if (pending.length < length) return undefined;
    this.#blocks.delete(block);
    return pending.bytes;
  }

  #begin(block: number, length: number): PendingBlock {
    if (this.#blocks.size >= MAX_PENDING) {
      const [oldest] = this.#blocks.keys();
      if (oldest !== undefined) this.#blocks.delete(oldest);
    }
    const fresh = { bytes: Buffer.allocUnsafe(length), length: 0 };
    this.#blocks.set(block, fresh);
    return fresh;
  }
}
