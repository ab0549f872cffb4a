import { describe, expect, test } from 'vitest';

import type { CatalogUnderTest } from '../catalog.ts';

export function signingKeySuite(setup: CatalogUnderTest): void {
  describe('signing keys', () => {
    test('of several made at once, one is kept', async () => {
      const { catalog, clock } = await setup();
      expect(await catalog.signingKeys.list()).toEqual([]);
      const added = await Promise.all(
        ['a', 'b', 'c'].map((id) =>
          catalog.signingKeys.addUnlessFresh({ id, secret: `secret ${id}` }, clock.nowMs - 1000),
        ),
      );
      expect(added.filter((one) => one)).toHaveLength(1);
      const [key, ...others] = await catalog.signingKeys.list();
      expect(others).toEqual([]);
      expect(key).toEqual({ id: key?.id, secret: `secret ${key?.id}`, createdMs: clock.nowMs });
    });

    test('a new one leaves the one that it succeeds, and no older ones', async () => {
      const { catalog, clock } = await setup();
      for (const id of ['a', 'b', 'c']) {
        const added = await catalog.signingKeys.addUnlessFresh({ id, secret: id }, clock.nowMs);
        expect(added).toBe(true);
        clock.nowMs += 1000;
      }
      const ids = (await catalog.signingKeys.list()).map(({ id }) => id);
      expect(ids).toEqual(['c', 'b']);
    });
  });
}
