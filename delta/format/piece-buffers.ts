import { APPLY_PIECE_BYTES } from './limits.ts';

/** Two buffers of {@link APPLY_PIECE_BYTES} that take turns over all frames of an output. */
export class PieceBuffers {
  #next = Buffer.allocUnsafe(APPLY_PIECE_BYTES);
  #other = Buffer.allocUnsafe(APPLY_PIECE_BYTES);

  /** The buffer to fill; it is that of the last call but one. */
  take(): Buffer {
    const taken = this.#next;
    this.#next = this.#other;
    this.#other = taken;
    return taken;
  }
}
