import type { PairProfile } from '../format/pairs.ts';
import type { PackedStream } from '../format/stream.ts';
import type { OldRange } from './old-ranges.ts';

/** A section of a pair's new bytes, coded. */
export interface EncodedSection {
  readonly start: number;
  readonly end: number;
  readonly streams: readonly PackedStream[];
  /** Of all its streams. */
  readonly storedBytes: number;
}

/** What the engine made of new bytes and the old bytes that they resemble. */
export interface EncodedPair {
  readonly profile: PairProfile;
  readonly sources: readonly OldRange[];
  readonly newBytes: number;
  readonly control: readonly PackedStream[];
  /** They follow each other without gaps, from 0 to `newBytes`. */
  readonly sections: readonly EncodedSection[];
  /** Of control and sections. */
  readonly storedBytes: number;
  /** What they were spent on (engine/statistics.ts). */
  readonly statistics: readonly number[];
}

export function sumStored(streams: readonly PackedStream[]): number {
  return streams.reduce((sum, stream) => sum + stream.stored.length, 0);
}
