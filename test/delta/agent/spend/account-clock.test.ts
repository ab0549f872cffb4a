import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  MAX_BEHIND,
  MAX_OFF_MS,
  markClock,
  type ClockMark,
  type Instant,
} from '../../../../delta/agent/spend/account-clock.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const NOW_MS = 1_764_000_000_000;

function at(bootId: string, uptimeMs: number, wallMs: number): Instant {
  return { bootId, uptimeMs, wallMs };
}

function walk(...instants: readonly Instant[]): ClockMark {
  const mark = instants.reduce<ClockMark | undefined>(
    (last, now) => markClock(last, now),
    undefined,
  );
  if (mark === undefined) throw new Error('no instant');
  return mark;
}

describe("the account's time", () => {
  it('follows the uptime within a boot, whatever the wall clock does', () => {
    for (const jump of [10 * YEAR_MS, -10 * YEAR_MS]) {
      const mark = walk(at('a', 1000, NOW_MS), at('a', 61_000, NOW_MS + jump));
      expect(mark.atMs).toBe(60_000);
    }
  });

  it('counts the time that a machine was off by the wall clock, a day a boot at most', () => {
    const off = (ms: number): number =>
      walk(at('a', 1000, NOW_MS), at('b', 5000, NOW_MS + ms)).atMs;
    expect(off(3_600_000)).toBe(3_600_000);
    expect(off(10 * YEAR_MS)).toBe(MAX_OFF_MS);
    expect(off(-10 * YEAR_MS)).toBe(5000);
  });

  it('gives the same time off only once to a clock that jumps to and fro', () => {
    const mark = walk(
      at('a', 1000, NOW_MS),
      at('b', 1000, NOW_MS + 10 * YEAR_MS),
      at('c', 1000, NOW_MS),
      at('d', 1000, NOW_MS + 10 * YEAR_MS),
    );
    expect(mark.atMs).toBeLessThan(MAX_OFF_MS + 10_000);
  });

  it('believes a clock again that stood far ahead once', () => {
    const boots = Array.from({ length: MAX_BEHIND + 2 }, (_, i) =>
      at(`later-${i}`, 1000, NOW_MS + i * 3_600_000),
    );
    const mark = walk(at('a', 1000, NOW_MS), at('b', 1000, NOW_MS + 10 * YEAR_MS), ...boots);
    expect(mark.wallMs).toBe(NOW_MS + (MAX_BEHIND + 1) * 3_600_000);
    expect(mark.atMs).toBeGreaterThan(MAX_OFF_MS + 2 * 3_600_000);
  });

  it('never goes back, and goes on by every second that the machine is on', () => {
    const instant = fc.record({
      bootId: fc.constantFrom('a', 'b', 'c'),
      uptimeMs: fc.nat(1e9),
      wallMs: fc.nat(4e12),
    });
    fc.assert(
      fc.property(fc.array(instant, { minLength: 1, maxLength: 30 }), (instants) => {
        const mark = walk(...instants);
        const { bootId, uptimeMs, wallMs } = { ...mark };
        const next = markClock(mark, { bootId, uptimeMs: uptimeMs + 1000, wallMs });
        expect(next.atMs - mark.atMs).toBe(1000);
        const [first, ...rest] = instants.map((_, i) => walk(...instants.slice(0, i + 1)).atMs);
        let last = first ?? 0;
        for (const ms of rest) {
          expect(ms).toBeGreaterThanOrEqual(last);
          last = ms;
        }
      }),
      { numRuns: 100 },
    );
  });
});
