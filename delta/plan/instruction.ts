import type { EncodedPair } from './encoded-pair.ts';

/** What makes the next `length` bytes of an output. `offset` is a byte of base file number `base`. */
export type Instruction = PlainInstruction | ModelInstruction;

export type PlainInstruction =
  /** From the new bytes themselves. */
  | { readonly kind: 'literal'; readonly length: number }
  /** Known to be equal: the old bytes are not read while building. */
  | {
      readonly kind: 'copy';
      readonly length: number;
      readonly base: number;
      readonly offset: number;
    }
  /** Alike: differences are taken. */
  | {
      readonly kind: 'add';
      readonly length: number;
      readonly base: number;
      readonly offset: number;
    };

/**
 * New bytes of a pair from `from` on. A pair's instructions follow each other in the output; those of
 * another pair never come between.
 */
export interface ModelInstruction {
  readonly kind: 'model';
  readonly length: number;
  readonly pair: EncodedPair;
  readonly from: number;
}

/** A stretch of an output that is coded in one way, for reports. Parts follow each other without gaps. */
export interface Part {
  /** `header`: tar headers, padding, the trailer. */
  readonly kind: 'file' | 'header';
  readonly length: number;
  readonly codec: number;
  readonly reason: number;
  /** The file's raw name in its tar. */
  readonly name?: Buffer | undefined;
  readonly instructions: readonly Instruction[];
}
