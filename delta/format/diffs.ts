import { DeltaError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';

/** Collects differences as the streams `diffs` and `gaps` (FORMAT.md, "Frames"). */
export class DiffWriter {
  readonly diffs = new ByteWriter();
  readonly gaps = new ByteWriter();
  #zeros = 0;

  zeros(count: number): void {
    this.#zeros += count;
  }

  difference(value: number): void {
    if (value === 0) {
      this.#zeros += 1;
      return;
    }
    if (this.#zeros > 0) this.flush();
    this.diffs.byte(value);
  }

  /** Writes out the zeros that are pending. */
  flush(): void {
    if (this.#zeros === 0) return;
    this.diffs.byte(0);
    this.gaps.varint(this.#zeros - 1);
    this.#zeros = 0;
  }

  clear(): void {
    this.diffs.clear();
    this.gaps.clear();
    this.#zeros = 0;
  }
}

/** Adds the differences of a frame to bytes from the base, in order. */
export class DiffReader {
  readonly #diffs: ByteReader;
  readonly #gaps: ByteReader;
  #zeros = 0;

  constructor(diffs: Buffer, gaps: Buffer) {
    this.#diffs = new ByteReader(diffs, 'the differences of a frame');
    this.#gaps = new ByteReader(gaps, 'the gaps of a frame');
  }

  /** Changes `bytes` in place. */
  addTo(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#zeros > 0) {
        const skipped = Math.min(this.#zeros, bytes.length - at);
        this.#zeros -= skipped;
        at += skipped;
        continue;
      }
      const difference = this.#diffs.byte();
      if (difference === 0) {
        this.#zeros = this.#gaps.varint(LIMITS.frameOutputBytes[2]) + 1;
        continue;
      }
      bytes[at] = ((bytes[at] ?? 0) + difference) & 0xff;
      at += 1;
    }
  }

  /** Nothing may be left. */
  end(): void {
    if (this.#zeros > 0) {
      throw new DeltaError('bad_format', `a frame has ${this.#zeros} differences too many`);
    }
    this.#diffs.end();
    this.#gaps.end();
  }
}
