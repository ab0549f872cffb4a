import { describe, expect, it } from 'vitest';

import { DeviceWorld } from './device-world.ts';

/** 64 kbit/s in bytes. */
const SLOW = 8000;
const STRETCH_MS = 60_000;
/** A device that comes back now and then gets through in far fewer. */
const MOST_RUNS = 25;
/** Moves the clock of a process by so many years; its timers go as ever. */
const clockOff = (years: number): Readonly<Record<string, string>> => {
  const shim = `const now = Date.now; Date.now = () => now() + ${years} * 31557600000;`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shim)}` };
};

const device = DeviceWorld.use();

describe('a bad network', () => {
  it('64 kbit/s: a small release goes in, in one run', { timeout: STRETCH_MS }, async () => {
    const leg = device.leg('delta');
    await device.install(leg);
    device.link.rate = SLOW;
    const { outcome, ms } = await device.update(leg);
    expect(outcome).toBe('updated');
    expect(ms).toBeGreaterThan((device.link.run.bytes / SLOW) * 900);
    expect(device.link.run).toMatchObject({ twiceHeld: 0, twiceCarried: 0 });
    await device.expectRunning(leg.to);
  });

  it(
    '30 % of answers lost: each run ends well or says so, and the release goes in',
    { timeout: STRETCH_MS },
    async () => {
      const leg = device.leg('chunks');
      await device.install(device.leg('delta'));
      for (let run = 1; ; run += 1) {
        const { outcome, reason, code, stderr } = await device.update(leg, {
          kind: 'lossy',
          at: 30,
        });
        if (outcome === 'updated' || outcome === 'up_to_date') break;
        expect({ code, reason, stderr }).toMatchObject({ code: 1, reason: 'unreachable' });
        expect(run).toBeLessThan(MOST_RUNS);
        await device.expectRunning(leg.from);
      }
      await device.expectRunning(leg.to);
    },
  );

  it('a captive portal before everything: says what is wrong, and the release goes in later', async () => {
    const leg = device.leg('delta');
    await device.install(leg);
    const { code, outcome, reason } = await device.update(leg, { kind: 'portal' });
    expect({ code, outcome, reason }).toEqual({
      ...{ code: 1, outcome: 'failed', reason: 'captive_portal' },
    });
    expect(device.link.strikes).toBeGreaterThan(0);
    await device.expectRunning(leg.from);
    await device.expectHeals(leg);
  });

  it.each(['full', 'delta', 'chunks'] as const)(
    'a captive portal before the blobs of a %s plan: nothing of it is kept',
    async (plan) => {
      const leg = device.leg(plan);
      if (leg.from !== undefined) await device.install(leg);
      const { code, outcome } = await device.update(leg, { kind: 'portal-blobs' });
      expect({ code, outcome }).toEqual({ code: 1, outcome: 'failed' });
      expect(device.link.strikes).toBeGreaterThan(0);
      await device.expectRunning(leg.from);
      await device.expectHeals(leg);
    },
  );

  it('a proxy that strips Range: a half download is got whole, once, and chunks give way', async () => {
    const full = device.leg('full');
    const cut = await device.update(
      full,
      { kind: 'stall', at: 300_000 },
      { more: ['--stall-timeout', '1'] },
    );
    expect(cut.outcome).toBe('updated');
    device.link.beginLeg();
    const leg = device.leg('chunks');
    const end = await device.update(leg, { kind: 'strip-range' });
    expect(device.link.strikes).toBeGreaterThan(0);
    expect(end).toMatchObject({ code: 0, outcome: 'updated' });
    // What a whole image takes, and not over and over.
    expect(device.link.run.bytes).toBeLessThan(2 * fullBytes());
    await device.expectRunning(leg.to);
  });

  it.each([-10, 10])('a clock %i years off: the release goes in', async (years) => {
    const leg = device.leg('delta');
    await device.install(leg);
    const { outcome, stderr } = await device.update(leg, undefined, { env: clockOff(years) });
    expect({ outcome, stderr }).toMatchObject({ outcome: 'updated' });
    await device.expectRunning(leg.to);
  });
});

/** Bytes of a release as pushed. */
function fullBytes(): number {
  const { image } = device.leg('chunks').to;
  return image.layers.reduce((sum, { size }) => sum + size, 0);
}
