import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { parseWindow } from '../../../../delta/agent/window.ts';
import { MirrorGate, type MirrorGateOptions } from '../../../../server/cache/mirror/gate.ts';
import { TokenBucket } from '../../../../server/cache/mirror/token-bucket.ts';

/** A clock that only sleeping moves. */
class Time {
  nowMs = Date.UTC(2026, 10, 30, 1, 0);
  readonly sleep = (ms: number): Promise<void> => {
    this.nowMs += ms;
    return Promise.resolve();
  };
  readonly given = { clock: (): number => this.nowMs, sleep: this.sleep };
}

const { signal } = new AbortController();

describe('a token bucket', () => {
  test('lets no more through than the rate, whatever is taken', async () => {
    const takes = fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 2, maxLength: 30 });
    const rates = fc.integer({ min: 1000, max: 10_000_000 });
    await fc.assert(
      fc.asyncProperty(takes, rates, async (all, perSecond) => {
        const time = new Time();
        const bucket = new TokenBucket({ ...time.given, perSecond });
        const startMs = time.nowMs;
        let paid = 0;
        for (const bytes of all) {
          await bucket.ready(signal);
          // All that was taken before was paid off by now, and not much later.
          const dueMs = (paid / perSecond) * 1000;
          expect(time.nowMs - startMs).toBeGreaterThanOrEqual(Math.floor(dueMs));
          expect(time.nowMs - startMs).toBeLessThanOrEqual(dueMs + all.length + 1);
          bucket.take(bytes);
          paid += bytes;
        }
      }),
    );
  });

  test('saves nothing up, and pays nothing while the clock goes back', async () => {
    const time = new Time();
    const bucket = new TokenBucket({ ...time.given, perSecond: 1000 });
    time.nowMs += 3_600_000;
    bucket.take(5000);
    time.nowMs -= 10_000;
    const fromMs = time.nowMs;
    await bucket.ready(signal);
    expect(time.nowMs - fromMs).toBe(5000);
  });

  test('without a rate nobody waits', async () => {
    const time = new Time();
    const bucket = new TokenBucket({ ...time.given, perSecond: 0 });
    const startMs = time.nowMs;
    for (let n = 0; n < 10; n += 1) {
      await bucket.ready(signal);
      bucket.take(1e12);
    }
    expect(time.nowMs).toBe(startMs);
  });
});

describe('the gate', () => {
  const gateOf = (time: Time, change: Partial<MirrorGateOptions> = {}): MirrorGate =>
    new MirrorGate({ ...time.given, window: undefined, maxBps: 0, demand: () => 0, ...change });

  test('is closed outside of the window, also when it closes while the rate is waited for', async () => {
    const time = new Time();
    const window = parseWindow('02:00-03:00', 'UTC');
    const gate = gateOf(time, { window, maxBps: 1000 });
    expect([gate.open, await gate.admit(1, signal)]).toEqual([false, false]);
    expect(gate.opensMs).toBe(Date.UTC(2026, 10, 30, 2, 0));
    time.nowMs = Date.UTC(2026, 10, 30, 2, 59);
    expect([gate.open, await gate.admit(120_000, signal)]).toEqual([true, true]);
    // Two minutes are owed, one is left of the window.
    expect(await gate.admit(1, signal)).toBe(false);
  });

  test('lets those who wait go first, and is not held up for ever', async () => {
    const time = new Time();
    let waiting = 3;
    const gate = gateOf(time, {
      demand: () => waiting,
      sleep: (ms) => {
        if (waiting > 0 && waiting < 100) waiting -= 1;
        return time.sleep(ms);
      },
    });
    const startMs = time.nowMs;
    expect(await gate.admit(1, signal)).toBe(true);
    expect(time.nowMs - startMs).toBe(300);
    waiting = 100;
    expect(await gate.admit(1, signal)).toBe(true);
    expect(time.nowMs - startMs).toBe(5300);
  });
});
