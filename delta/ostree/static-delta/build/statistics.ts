import type { Checksum } from '../../objects/checksum.ts';
import type { PartObjectKind } from '../object-list.ts';
import type { FileCoding } from './file-coding.ts';
import type { CodingReason } from './file-coder.ts';

/** How one object of a delta is coded, and why. */
export interface ObjectStatistics {
  readonly kind: PartObjectKind;
  readonly checksum: Checksum;
  /** Its first path; undefined where it has none. */
  readonly path: string | undefined;
  readonly coding: FileCoding['kind'] | 'metadata' | 'symlink';
  /** Of regular files. */
  readonly reason?: CodingReason | undefined;
  /** Bytes of its content; of a symlink 0. */
  readonly contentBytes: number;
  /** Bytes that it adds to the part's payload, operations aside. */
  readonly payloadBytes: number;
  /** Number of its part; undefined for a fallback. */
  readonly part: number | undefined;
}
