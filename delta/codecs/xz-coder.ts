import lzma from 'lzma-native';

import { DeltaError } from '../errors.ts';

/** Bytes of a piece that the coder hands out. */
const OUTPUT_BYTES = 64 * 1024;

/** What one step of a coder gave. */
export interface XzStep {
  readonly pieces: readonly Buffer[];
  /** True once the coder has met, or written, the end of the stream. */
  readonly hasEnded: boolean;
  /** Bytes used since the first step. */
  readonly totalIn: number;
}

/** A coder of liblzma, a step at a time. */
export class XzCoder {
  readonly #native = new lzma.Stream();
  #isOver = false;

  private constructor(start: (native: lzma.Stream) => void) {
    this.#native.setBufsize(OUTPUT_BYTES);
    start(this.#native);
  }

  static start(start: (native: lzma.Stream) => void): XzCoder {
    return new XzCoder(start);
  }

  /** Codes a piece, or the end of the input; rejects as {@link fromLzma} says. One step at a time. */
  step(input: Uint8Array | null): Promise<XzStep> {
    if (this.#isOver) throw new Error('the xz coder has ended');
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let hasEnded = false;
      let fault: Error | undefined;
      this.#native.bufferHandler = (bytes, doneWith, error, totalIn) => {
        if (bytes !== null && bytes !== undefined) pieces.push(bytes);
        if (bytes === null) hasEnded = true;
        if (error !== null && error !== undefined) fault = error;
        if (doneWith === undefined) return;
        this.#isOver = hasEnded;
        if (fault === undefined) resolve({ pieces, hasEnded, totalIn: totalIn ?? 0 });
        else reject(fromLzma(fault));
      };
      this.#native.code(input, true);
    });
  }
}

/** An error of liblzma as this project's: `too_large` past the memory limit, else `bad_format`. */
function fromLzma(cause: Error): DeltaError {
  const name = 'name' in cause ? cause.name : '';
  if (name === 'LZMA_MEMLIMIT_ERROR') {
    return new DeltaError('too_large', 'xz: its dictionary is larger than a decoder may hold', {
      cause,
    });
  }
  return new DeltaError('bad_format', `xz: ${cause.message}`, { cause });
}
