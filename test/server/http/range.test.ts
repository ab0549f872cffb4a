import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_RANGES, parseRange } from '../../../server/http/range.ts';

describe('parseRange', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 100],
    ['bytes=99-', 99, 100],
    ['bytes=10-19', 10, 20],
    ['bytes=10-500', 10, 100],
    ['bytes=-1', 99, 100],
    ['bytes=-500', 0, 100],
    ['BYTES=5-6', 5, 7],
    ['bytes= 5-6 ', 5, 7],
    ['bytes=5-6,', 5, 7],
    [`bytes=5-${'9'.repeat(400)}`, 5, 100],
  ])('reads %s', (header, start, endExclusive) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'single', range: { start, endExclusive } });
  });

  it.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=a-b',
    'bytes=1-2-3',
    'bytes=1-2;3-4',
    'bytes=0x1-2',
    'bytes=+1-2',
    'bytes=1 -2',
    'bytes=1-2,x',
    'items=0-1',
    '0-1',
  ])('ignores %s', (header) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'whole' });
  });

  it.each(['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=500-0', 'bytes=5-4', 'bytes=100-,-0'])(
    'finds no byte in %s',
    (header) => {
      expect(parseRange(header, 100)).toEqual({ kind: 'unsatisfiable' });
    },
  );

  it('finds no byte in an empty object', () => {
    for (const header of ['bytes=0-', 'bytes=-5', 'bytes=0-0']) {
      expect(parseRange(header, 0)).toEqual({ kind: 'unsatisfiable' });
    }
  });

  it('keeps the order asked, repetitions and overlaps', () => {
    expect(parseRange('bytes=50-59, 0-9,5-14,50-59,200-', 100)).toEqual({
      kind: 'multi',
      ranges: [
        { start: 50, endExclusive: 60 },
        { start: 0, endExclusive: 10 },
        { start: 5, endExclusive: 15 },
        { start: 50, endExclusive: 60 },
      ],
    });
  });

  it('refuses to send an object many times over', () => {
    expect(parseRange('bytes=0-,0-', 100).kind).toBe('multi');
    expect(parseRange('bytes=0-,0-,0-0', 100)).toEqual({ kind: 'whole' });
  });

  it('takes so many ranges and no more', () => {
    const ranges = (count: number): string => `bytes=${Array(count).fill('1-1').join(',')}`;
    expect(parseRange(ranges(MAX_RANGES), 10_000).kind).toBe('multi');
    expect(parseRange(ranges(MAX_RANGES + 1), 10_000)).toEqual({ kind: 'too_many' });
  });

  it('only ever names bytes of the object', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}-${b}`),
      fc.nat().map((a) => `${a}-`),
      fc.nat().map((n) => `-${n}`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 8 }), fc.nat(5000), (specs, size) => {
        const answer = parseRange(`bytes=${specs.join(',')}`, size);
        const ranges =
          answer.kind === 'single' ? [answer.range] : answer.kind === 'multi' ? answer.ranges : [];
        for (const { start, endExclusive } of ranges) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(endExclusive).toBeGreaterThan(start);
          expect(endExclusive).toBeLessThanOrEqual(size);
        }
      }),
    );
  });
});
