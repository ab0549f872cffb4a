import { describe, expect, test } from 'vitest';

import type { CatalogUnderTest } from '../catalog.ts';
import { named, REPO, uploadId } from './names.ts';

export function uploadSuite(setup: CatalogUnderTest): void {
  describe('uploads', () => {
    test('a session grows by parts in order', async () => {
      const { catalog, clock } = await setup();
      const id = uploadId(1);
      await catalog.uploads.create(id, REPO);
      expect(await catalog.uploads.get(id)).toEqual({
        id,
        repo: REPO,
        size: 0,
        parts: [],
        updatedMs: clock.nowMs,
      });
      clock.nowMs += 5;
      const parts = [
        { offset: 0, size: 10, digest: named('one') },
        { offset: 10, size: 5, digest: named('two') },
      ];
      for (const part of parts) await catalog.uploads.append(id, part);
      const session = await catalog.uploads.get(id);
      expect(session).toMatchObject({ size: 15, parts, updatedMs: clock.nowMs });
    });

    test('append is a compare-and-set on the size', async () => {
      const { catalog } = await setup();
      const id = uploadId(2);
      await catalog.uploads.create(id, REPO);
      const part = { offset: 0, size: 10, digest: named('one') };
      const tries = await Promise.allSettled([
        catalog.uploads.append(id, part),
        catalog.uploads.append(id, part),
      ]);
      expect(tries.map((t) => t.status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const gap = catalog.uploads.append(id, { offset: 11, size: 1, digest: named('x') });
      await expect(gap).rejects.toMatchObject({ code: 'conflict' });
      const gone = catalog.uploads.append(uploadId(3), part);
      await expect(gone).rejects.toMatchObject({ code: 'conflict' });
      expect(await catalog.uploads.get(id)).toMatchObject({ size: 10, parts: [part] });
    });

    test('an empty part changes nothing but the time', async () => {
      const { catalog } = await setup();
      const id = uploadId(4);
      await catalog.uploads.create(id, REPO);
      await catalog.uploads.append(id, { offset: 0, size: 0, digest: named('') });
      await catalog.uploads.append(id, { offset: 0, size: 3, digest: named('abc') });
      expect((await catalog.uploads.get(id))?.parts).toHaveLength(1);
    });

    test('an id is used once', async () => {
      const { catalog } = await setup();
      await catalog.uploads.create(uploadId(5), REPO);
      const again = catalog.uploads.create(uploadId(5), REPO);
      await expect(again).rejects.toMatchObject({ code: 'conflict' });
    });

    test('delete is idempotent and takes the parts', async () => {
      const { catalog } = await setup();
      const id = uploadId(6);
      await catalog.uploads.create(id, REPO);
      await catalog.uploads.append(id, { offset: 0, size: 3, digest: named('abc') });
      await catalog.uploads.delete(id);
      await catalog.uploads.delete(id);
      expect(await catalog.uploads.get(id)).toBeUndefined();
      await catalog.uploads.create(id, REPO);
      expect(await catalog.uploads.get(id)).toMatchObject({ size: 0, parts: [] });
    });

    test('endStale ends the untouched, the oldest first, and no other', async () => {
      const { catalog, clock } = await setup();
      for (const n of [3, 1, 2]) {
        await catalog.uploads.create(uploadId(n), REPO);
        clock.nowMs += 10;
      }
      await catalog.uploads.append(uploadId(3), { offset: 0, size: 1, digest: named('x') });
      expect(await catalog.uploads.endStale(clock.nowMs, 1)).toEqual([uploadId(1)]);
      expect(await catalog.uploads.get(uploadId(1))).toBeUndefined();
      expect(await catalog.uploads.endStale(clock.nowMs, 10)).toEqual([uploadId(2)]);
      expect(await catalog.uploads.endStale(clock.nowMs, 10)).toEqual([]);
    });
  });
}
