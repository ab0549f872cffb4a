import { DeltaError } from '../../errors.ts';
import { paddingAt, type OffsetWidth } from './framing.ts';
import type { VariantType } from './type.ts';

/** The bytes of a value to be decoded, whose start counts as aligned. */
export class VariantReader {
  readonly buffer: Buffer;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** A framing offset. */
  offset(at: number, width: OffsetWidth): number {
    return this.buffer.readUIntLE(at, width);
  }

  /** Where the next thing of that alignment begins; the bytes up to there must be zero. */
  skipPadding(type: VariantType, at: number, alignment: number, end: number): number {
    const padding = paddingAt(at, alignment);
    if (padding === 0) return at;
    if (padding > end - at) throw fault(type, at, 'cut off');
    return this.skipZeros(type, at, at + padding);
  }

  /** Gives `end`; the bytes up to there must be zero. */
  skipZeros(type: VariantType, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      if (this.buffer[at] !== 0) throw fault(type, at, 'padding that is not zero');
    }
    return end;
  }
}

/** `bad_format`, naming the type and the byte. */
export function fault(type: VariantType, at: number, problem: string): DeltaError {
  return new DeltaError('bad_format', `GVariant ${type.text} at byte ${at}: ${problem}`, {
    detail: { type: type.text, at },
  });
}
