import type { Digest } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { DeltaError } from './errors.ts';
import type { DeltaKind } from './format/header.ts';

/** A part of an output: one file of note, or everything else of one sort taken together. */
export interface SectionSummary {
  /** The file's name in the tar (UTF-8, broken bytes shown as U+FFFD); absent for taken-together parts. */
  readonly name?: string | undefined;
  /** How many files or runs are taken together here. */
  readonly count: number;
  readonly codec: string;
  /** Why it was coded so. */
  readonly why: string;
  readonly rawBytes: number;
  /** Its share of the delta, estimated within a frame by the bytes that it put into the streams. */
  readonly codedBytes: number;
}

export interface OutputSummary {
  readonly diffId: Digest;
  readonly size: number;
  readonly reuse: boolean;
  readonly frames: number;
  readonly codedBytes: number;
  readonly sections: readonly SectionSummary[];
}

/** What a delta holds; JSON-able. */
export interface DeltaSummary {
  readonly version: number;
  readonly kind: DeltaKind;
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  readonly size: number;
  readonly headerBytes: number;
  readonly ramBytes: number;
  readonly base: readonly { readonly diffId: Digest; readonly size: number }[];
  readonly outputs: readonly OutputSummary[];
}

export async function inspectDelta(source: RandomAccess): Promise<DeltaSummary> {
  await source.read(0, 1);
  throw new DeltaError('bad_format', 'not yet');
}
