import { describe, expect, it } from 'vitest';

import { Coverage } from '../../../delta/agent/coverage.ts';

function covering(...ranges: readonly (readonly [number, number])[]): Coverage {
  const coverage = new Coverage();
  for (const [start, endExclusive] of ranges) coverage.add({ start, endExclusive });
  return coverage;
}

describe('coverage', () => {
  it('counts bytes that were there', () => {
    const coverage = covering([10, 20], [30, 40]);
    expect(coverage.add({ start: 15, endExclusive: 35 })).toBe(10);
    expect(coverage.bytes).toBe(30);
    expect(coverage.overlap({ start: 0, endExclusive: 100 })).toBe(30);
    expect(coverage.overlap({ start: 20, endExclusive: 30 })).toBe(10);
  });

  it.each([
    [0, 50, [0, 10]],
    [0, 5, [0, 5]],
    [10, 50, [20, 30]],
    [15, 50, [20, 30]],
    [25, 28, [25, 28]],
    [12, 18, undefined],
    [30, 45, [40, 45]],
    [60, 70, [60, 70]],
  ])('has as its first hole from %i to %i: %j', (start, endExclusive, hole) => {
    const found = covering([30, 40], [10, 20]).hole({ start, endExclusive });
    expect(found && [found.start, found.endExclusive]).toEqual(hole);
  });

  it('loses a range that is taken out', () => {
    const coverage = covering([10, 20], [30, 40]);
    coverage.remove({ start: 15, endExclusive: 32 });
    expect(coverage.bytes).toBe(13);
    coverage.remove({ start: 34, endExclusive: 36 });
    expect(coverage.hole({ start: 32, endExclusive: 40 })).toEqual({
      start: 34,
      endExclusive: 36,
    });
    coverage.remove({ start: 0, endExclusive: 100 });
    expect(coverage.bytes).toBe(0);
  });
});
