import type { Match } from './codec.ts';

/** `length` bytes that stand at `start` in a made-up sequence and at `origin` where they come from. */
export interface Segment {
  readonly start: number;
  readonly origin: number;
  readonly length: number;
}

/** A match within one segment of either side. */
export interface PlacedMatch extends Match {
  readonly newSegment: number;
  readonly oldSegment: number;
}

/** Cuts matches at the segments of both sides, and moves them to where the bytes come from. */
export function placeMatches(
  matches: readonly Match[],
  newSegments: readonly Segment[],
  oldSegments: readonly Segment[],
): PlacedMatch[] {
  const placed: PlacedMatch[] = [];
  for (const match of matches) {
    let { newOffset, oldOffset, length } = match;
    let newSegment = findSegment(newSegments, newOffset);
    let oldSegment = findSegment(oldSegments, oldOffset);
    while (length > 0) {
      const fresh = newSegments[newSegment];
      const old = oldSegments[oldSegment];
      if (fresh === undefined || old === undefined) break;
      const newLeft = fresh.start + fresh.length - newOffset;
      const oldLeft = old.start + old.length - oldOffset;
      const part = Math.min(length, newLeft, oldLeft);
      placed.push({
        newOffset: fresh.origin + newOffset - fresh.start,
        oldOffset: old.origin + oldOffset - old.start,
        length: part,
        newSegment,
        oldSegment,
      });
      newOffset += part;
      oldOffset += part;
      length -= part;
      if (part === newLeft) newSegment += 1;
      if (part === oldLeft) oldSegment += 1;
    }
  }
  return placed.filter((match) => match.length > 0);
}

/** The segment that holds an offset; segments ascend without gaps. */
function findSegment(segments: readonly Segment[], offset: number): number {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((segments[middle]?.start ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
