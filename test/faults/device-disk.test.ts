import { describe, expect, it } from 'vitest';

import type { DiskFault } from '../../bench/interrupt/disk/fault.ts';
import { Random } from '../../bench/fuzz/random.ts';
import { DeviceWorld } from './device-world.ts';

const SEED = 8;
/** Steps on the disk at which it gets full, of each plan. */
const STEPS = 9;
const LONG_MS = 120_000;

const device = DeviceWorld.use();

function fault(kind: DiskFault['kind'], at: number): DiskFault {
  return { root: device.data, kind, at, seed: 'unused', report: device.report };
}

describe('a disk that gets full', () => {
  it.each(['delta', 'chunks'] as const)(
    `at ${STEPS} steps of a %s plan: says no_space, keeps what runs, and the release goes in later`,
    { timeout: LONG_MS },
    async (plan) => {
      const leg = device.leg(plan);
      await device.install(leg);
      const random = new Random('full disk', SEED, plan);
      let last = 0;
      let failed = 0;
      for (let n = 0; n < STEPS; n += 1) {
        last += 1 + random.below(14);
        const end = await device.update(leg, undefined, { disk: fault('full', last) });
        expect(end.disk?.struck, `step ${last}`).toBe(true);
        if (end.code === 0) break;
        expect({ at: last, code: end.code, stderr: end.stderr }).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('[no_space]') as string,
        });
        failed += 1;
        await device.expectRunning(leg.from);
      }
      expect(failed).toBeGreaterThan(0);
      await device.expectHeals(leg);
    },
  );
});

describe('a disk that turns read-only', () => {
  it.each([1, 25, 60])('at step %i: says io, keeps what runs, goes on later', async (at) => {
    const leg = device.leg('delta');
    await device.install(leg);
    const end = await device.update(leg, undefined, { disk: fault('read-only', at) });
    expect(end.disk?.struck).toBe(true);
    expect({ code: end.code, stderr: end.stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[io]') as string,
    });
    await device.expectRunning(leg.from);
    await device.expectHeals(leg);
  });
});
