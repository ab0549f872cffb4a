import { describe, expect, test } from 'vitest';

import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { OTHER, REPO } from './names.ts';
import { sum } from './ostree-names.ts';

const [A, B] = [parseOstreeRef('app/a'), parseOstreeRef('app/b')];

export function ostreeBuildSuite(setup: CatalogUnderTest): void {
  describe('builds', () => {
    test('hold the newest commit of each ref until they are removed', async () => {
      const { ostreeBuilds } = (await setup()).catalog;
      const bounds = { untouchedSinceMs: 0, limit: 9 };
      expect(await ostreeBuilds.create('1', REPO, bounds)).toBe(true);
      expect(await ostreeBuilds.create('2', OTHER, bounds)).toBe(true);
      expect(await ostreeBuilds.get('1')).toEqual({ id: '1', repo: REPO, isPublished: false });
      expect(await ostreeBuilds.get('3')).toBeUndefined();
      for (const [ref, name] of [[B, 'b'] as const, [A, 'a'] as const, [B, 'b2'] as const]) {
        expect(await ostreeBuilds.setRef('1', { ref, commit: sum(name) }, 2)).toBe(true);
      }
      expect(await ostreeBuilds.refs('1')).toEqual([
        { ref: A, commit: sum('a') },
        { ref: B, commit: sum('b2') },
      ]);
      expect(await ostreeBuilds.refs('2')).toEqual([]);
      await ostreeBuilds.markPublished('1');
      expect(await ostreeBuilds.get('1')).toMatchObject({ isPublished: true });
      await ostreeBuilds.remove('1');
      await ostreeBuilds.remove('1');
      expect([await ostreeBuilds.get('1'), await ostreeBuilds.refs('1')]).toEqual([undefined, []]);
    });

    test('are bounded in number and in refs; untouched ones are forgotten', async () => {
      const { catalog, clock } = await setup();
      const { ostreeBuilds } = catalog;
      const create = (id: string) =>
        ostreeBuilds.create(id, REPO, { untouchedSinceMs: clock.nowMs - 10, limit: 2 });
      expect([await create('1'), await create('2'), await create('3')]).toEqual([
        true,
        true,
        false,
      ]);
      const first = ostreeBuilds.setRef('1', { ref: A, commit: sum('a') }, 1);
      expect(await first).toBe(true);
      expect(await ostreeBuilds.setRef('1', { ref: B, commit: sum('b') }, 1)).toBe(false);
      clock.nowMs += 10;
      await ostreeBuilds.markPublished('2');
      expect(await create('3')).toBe(true);
      expect([await ostreeBuilds.get('1'), await ostreeBuilds.refs('1')]).toEqual([undefined, []]);
      expect(await ostreeBuilds.get('2')).toBeDefined();
      const gone = ostreeBuilds.setRef('1', { ref: A, commit: sum('a') }, 1);
      await expect(gone).rejects.toMatchObject({ code: 'missing' });
    });
  });
}
