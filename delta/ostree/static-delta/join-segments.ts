import { BytePair } from './byte-pair.ts';
import type { Segment } from './segment.ts';

/**
 * The segments without those whose diff is worth less than `price` bytes: what it makes equal, less
 * what its bytes would make equal in the diff before it. Such a segment's bytes go on in the diff
 * before it, where that has no extra and old bytes are left, else into that segment's extra. The first
 * segment stays: there is nothing before it.
 */
export function joinSegments(
  old: Uint8Array,
  fresh: Uint8Array,
  segments: readonly Segment[],
  price: number,
): readonly Segment[] {
  const pair = new BytePair(old, fresh);
  const kept: Segment[] = [];
  let newOffset = 0;
  for (const segment of segments) {
    const before = kept.at(-1);
    const { oldOffset, diffLength, extraLength } = segment;
    if (before === undefined) {
      kept.push(segment);
    } else {
      const end = before.oldOffset + before.diffLength;
      const canGoOn = before.extraLength === 0 && end + diffLength <= old.length;
      const others = canGoOn ? pair.countEqual(end, newOffset, diffLength) : 0;
      const worth = pair.countEqual(oldOffset, newOffset, diffLength) - others;
      if (worth >= price) kept.push(segment);
      else kept[kept.length - 1] = canGoOn ? goOn(before, segment) : swallow(before, segment);
    }
    newOffset += diffLength + extraLength;
  }
  return kept;
}

function goOn(before: Segment, { diffLength, extraLength }: Segment): Segment {
  return { ...before, diffLength: before.diffLength + diffLength, extraLength };
}

function swallow(before: Segment, { diffLength, extraLength }: Segment): Segment {
  return { ...before, extraLength: before.extraLength + diffLength + extraLength };
}
