import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  addBytes,
  freeAtMs,
  MAX_SLICES,
  PERIOD_MS,
  PERIODS,
  spentBytes,
  type Slice,
} from '../../../../delta/agent/spend/slices.ts';

const spends = fc.array(fc.record({ waitMs: fc.nat(4 * 3_600_000), bytes: fc.nat(100_000) }), {
  maxLength: 120,
});

describe('the slices of a period', () => {
  it('never say less than was spent in the stretch that ends now, and stay few', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), spends, (period, list) => {
        let slices: readonly Slice[] = [];
        const log: { atMs: number; bytes: number }[] = [];
        let atMs = 0;
        for (const { waitMs, bytes } of list) {
          atMs += waitMs;
          slices = addBytes(slices, period, atMs, bytes);
          log.push({ atMs, bytes });
          const real = log
            .filter((spend) => spend.atMs > atMs - PERIOD_MS[period])
            .reduce((sum, spend) => sum + spend.bytes, 0);
          expect(spentBytes(slices, period, atMs)).toBeGreaterThanOrEqual(real);
          expect(slices.length).toBeLessThanOrEqual(MAX_SLICES);
        }
        expect(spentBytes(slices, period, atMs + 2 * PERIOD_MS[period])).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('tell when so much is free again: not before, and then', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), spends, fc.nat(400_000), (period, list, bound) => {
        let slices: readonly Slice[] = [];
        let atMs = 0;
        for (const { waitMs, bytes } of list) {
          atMs += waitMs;
          slices = addBytes(slices, period, atMs, bytes);
        }
        const freeMs = freeAtMs(slices, period, atMs, bound);
        expect(spentBytes(slices, period, freeMs)).toBeLessThanOrEqual(bound);
        if (freeMs > atMs) expect(spentBytes(slices, period, freeMs - 1)).toBeGreaterThan(bound);
      }),
      { numRuns: 200 },
    );
  });
});
