/** Bytes that are used again and again: making 64 KiB anew for each reply costs more than filling them. */
export class Scratch {
  #bytes = Buffer.alloc(0);

  /** The first `length` bytes, good until the next call; what is in them is of no meaning. */
  take(length: number): Buffer {
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length);
    return this.#bytes.subarray(0, length);
  }

  /** Leaves the bytes of the last {@link take} to whoever holds them. */
  giveAway(): void {
    this.#bytes = Buffer.alloc(0);
  }
}
