import { describe, expect, it } from 'vitest';

import { placeMatches } from '../../../delta/codecs/segments.ts';

const segments = (
  ...lengths: readonly number[]
): { start: number; origin: number; length: number }[] => {
  let start = 0;
  return lengths.map((length, n) => {
    const segment = { start, origin: 1000 * n, length };
    start += length;
    return segment;
  });
};

describe('placeMatches', () => {
  it('cuts a match at the borders of both sides and moves the pieces home', () => {
    const placed = placeMatches(
      [{ newOffset: 2, oldOffset: 5, length: 10 }],
      segments(6, 20),
      segments(8, 20),
    );
    expect(placed).toEqual([
      { newOffset: 2, oldOffset: 5, length: 3, newSegment: 0, oldSegment: 0 },
      { newOffset: 5, oldOffset: 1000, length: 1, newSegment: 0, oldSegment: 1 },
      { newOffset: 1000, oldOffset: 1001, length: 6, newSegment: 1, oldSegment: 1 },
    ]);
  });

  it('passes over empty segments and never beyond the last', () => {
    const placed = placeMatches(
      [{ newOffset: 0, oldOffset: 0, length: 9 }],
      segments(2, 0, 3),
      segments(9),
    );
    expect(placed.map((match) => [match.newOffset, match.length])).toEqual([
      [0, 2],
      [2000, 3],
    ]);
  });
});
