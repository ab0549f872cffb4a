import { describe, expect, test } from 'vitest';

import type { CatalogUnderTest } from '../catalog.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

export function gcTurnsSuite(setup: CatalogUnderTest): void {
  describe('gc: turns', () => {
    const times = { everyMs: HOUR, leaseMs: 1000 };

    test('one has the turn, and the next comes in its time', async () => {
      const { catalog, clock } = await setup();
      const { gc } = catalog;
      clock.nowMs = 10 * HOUR;
      const both = await Promise.all([gc.beginRun('a', times), gc.beginRun('b', times)]);
      const [lease, ...more] = both.filter((one) => one !== undefined);
      if (lease === undefined) throw new Error('nobody has it');
      expect(more).toEqual([]);
      clock.nowMs += 900;
      await gc.renewRun(lease, 1000);
      clock.nowMs += 900;
      expect(await gc.beginRun('c', times)).toBeUndefined();
      await gc.endRun(lease, true);
      clock.nowMs += HOUR - 1;
      expect(await gc.beginRun('c', times)).toBeUndefined();
      clock.nowMs += 1;
      expect(await gc.beginRun('c', times)).toMatchObject({ owner: 'c' });
    });

    test('a run that a clock far ahead has ended, or holds, counts for nothing once the clock is right', async () => {
      const { catalog, clock } = await setup();
      const { gc } = catalog;
      clock.nowMs = 10 * YEAR;
      const ahead = await gc.beginRun('a', times);
      if (ahead === undefined) throw new Error('nobody has it');
      clock.nowMs = 10 * HOUR;
      const next = await gc.beginRun('b', times);
      if (next === undefined) throw new Error('it waits for ten years');
      await expect(gc.renewRun(ahead, 1000)).rejects.toMatchObject({ code: 'conflict' });
      clock.nowMs = 10 * YEAR;
      await gc.endRun(next, true);
      expect(await gc.lastRunMs()).toBe(10 * YEAR);
      clock.nowMs = 10 * HOUR;
      expect(await gc.beginRun('c', times)).toMatchObject({ owner: 'c' });
    });

    test('the turn of one that was killed, and of one that stopped, is the next one’s', async () => {
      const { catalog, clock } = await setup();
      const { gc } = catalog;
      clock.nowMs = 10 * HOUR;
      const killed = await gc.beginRun('a', times);
      if (killed === undefined) throw new Error('nobody has it');
      clock.nowMs += 1000;
      const next = await gc.beginRun('a', times);
      if (next === undefined) throw new Error('nobody has it');
      for (const late of [gc.renewRun(killed, 1000), gc.endRun(killed, true)]) {
        await expect(late).rejects.toMatchObject({ code: 'conflict' });
      }
      await gc.endRun(next, false);
      expect(await gc.beginRun('b', times)).toMatchObject({ owner: 'b' });
    });
  });
}
