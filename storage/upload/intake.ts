import { abortable, type SourceOptions } from '../byte-source.ts';
import { DigestHasher, sizeMismatch, type Digest } from '../digest.ts';
import type { ByteSource } from '../object-store.ts';

export interface IntakeOptions extends SourceOptions {
  /** Bytes that were promised. */
  readonly length?: number | undefined;
}

/**
 * The bytes of a client that may vanish: ends quietly where the source breaks off or the signal
 * fires, so that a store keeps what came; {@link check} then says what was wrong. A source that sends more
 * than it promised fails at once, so that a store keeps nothing.
 */
export class Intake implements AsyncIterable<Uint8Array> {
  readonly #source: ByteSource;
  readonly #options: IntakeOptions;
  readonly #hasher = new DigestHasher();
  #failure: { readonly error: unknown } | undefined;

  constructor(source: ByteSource, options: IntakeOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#hasher.size;
  }

  /** sha256 of the bytes taken so far. */
  get digest(): Digest {
    return this.#hasher.peek();
  }

  /** Throws what ended the source early: its own error, `aborted`, or `size_mismatch`. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    const { length, what } = this.#options;
    if (length !== undefined && this.size < length) {
      throw sizeMismatch(what, length, this.size);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const { length, what } = this.#options;
    const pieces = abortable(this.#source, this.#options);
    try {
      for (;;) {
        const piece = await this.#next(pieces);
        if (piece === undefined) return;
        if (length !== undefined && this.size + piece.length > length) {
          throw sizeMismatch(what, length, `more than ${length}`);
        }
        this.#hasher.update(piece);
        yield piece;
      }
    } finally {
      await pieces.return();
    }
  }

  /** The next piece; undefined at the end, wherever that is. */
  async #next(
    pieces: AsyncGenerator<Uint8Array, void, undefined>,
  ): Promise<Uint8Array | undefined> {
    try {
      const next = await pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      this.#failure = { error };
      return undefined;
    }
  }
}
