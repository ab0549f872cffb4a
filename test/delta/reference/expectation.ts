import { Bytes } from './bytes.ts';

/** What is predicted for the new bytes of a block: zeros outside of it. */
export class Expectation {
  readonly length: number;
  /** The byte; outside of references the old one. */
  readonly predicted: Bytes;
  /** What the runner-up of a reference's targets gives. */
  readonly other: Bytes;
  /** Kind of reference * 8 + byte of the field; 0 outside. */
  readonly kinds: Uint8Array;
  /** Confidence of the reference's target. */
  readonly sureness: Uint8Array;

  constructor(oldBytes: Uint8Array) {
    this.length = oldBytes.length;
    this.predicted = new Bytes(new Uint8Array(oldBytes));
    this.other = new Bytes(new Uint8Array(oldBytes));
    this.kinds = new Uint8Array(oldBytes.length);
    this.sureness = new Uint8Array(oldBytes.length);
  }

  byte(at: number): number {
    return this.predicted.array[at] ?? 0;
  }

  /** Four predicted bytes, the first lowest. */
  word(at: number): number {
    return this.predicted.u32(at);
  }

  /** What the runner-up gives, less what is predicted. */
  alternative(at: number): number {
    return ((this.other.array[at] ?? 0) - this.byte(at)) & 255;
  }

  kind(at: number): number {
    return this.kinds[at] ?? 0;
  }

  sure(at: number): number {
    return this.sureness[at] ?? 0;
  }

  /** Marks `length` bytes as of a field. */
  mark(at: number, length: number, kind: number, sure: number): void {
    for (let i = 0; i < length; i++) {
      this.kinds[at + i] = kind * 8 + Math.min(i, 7);
      this.sureness[at + i] = sure;
    }
  }
}
