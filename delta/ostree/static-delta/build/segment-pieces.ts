import type { Checksum } from '../../objects/checksum.ts';
import { BytePair } from '../byte-pair.ts';
import type { Segment } from '../segment.ts';
import type { FilePiece } from './file-coding.ts';

/** A run of equal bytes between literals is worth a copy from here on: see {@link OPERATION_BYTES}. */
const LEAST_RUN_BYTES = 48;

/** What switching between source and blob takes in a part, compressed. */
export const OPERATION_BYTES = 7;

/**
 * The pieces that make the same bytes as a bsdiff stream of these segments would: runs of equal bytes
 * are copied, all others travel. Where little has changed that is as small as the stream, and
 * neither side has to handle the rest of the file.
 */
export function segmentsToPieces(
  old: Uint8Array,
  fresh: Uint8Array,
  segments: readonly Segment[],
  source: Checksum,
): readonly FilePiece[] {
  const pair = new BytePair(old, fresh);
  const pieces: FilePiece[] = [];
  let literalStart = 0;
  let newOffset = 0;
  const copy = (from: number, oldOffset: number, length: number): void => {
    if (length < LEAST_RUN_BYTES) return;
    if (from > literalStart) {
      pieces.push({ kind: 'literal', offset: literalStart, length: from - literalStart });
    }
    pieces.push({ kind: 'copy', source, offset: oldOffset, length });
    literalStart = from + length;
  };
  for (const { oldOffset, diffLength, extraLength } of segments) {
    for (let at = 0; at < diffLength;) {
      const run = pair.equalRun(oldOffset + at, newOffset + at, diffLength - at);
      copy(newOffset + at, oldOffset + at, run);
      at += run + 1;
    }
    newOffset += diffLength + extraLength;
  }
  if (literalStart < fresh.length) {
    pieces.push({ kind: 'literal', offset: literalStart, length: fresh.length - literalStart });
  }
  return pieces;
}
