import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { DeltaResult, DeltaState } from '../../../storage/catalog/delta-catalog.ts';
import { parseTag } from '../../../storage/names.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { named, OTHER } from './names.ts';
import { pair } from './pairs.ts';

export function deltaResult(name: string): DeltaResult {
  return {
    digest: named(name),
    size: 1000,
    fullSize: 9000,
    ramBytes: 1 << 20,
    buildMs: 12.5,
    applyMs: 3,
    codecs: { copy: { files: 3, bytes: 30 }, bsdiff: { files: 1, bytes: 7 } },
  };
}

async function claimOne(catalog: Catalog, owner = 'w1') {
  const claim = await catalog.deltas.claim(owner, 1000);
  if (claim === undefined) throw new Error('nothing to claim');
  return { id: claim.delta.id, ...claim };
}

export function deltaSuite(setup: CatalogUnderTest): void {
  describe('deltas: ensure', () => {
    test('adds each pair once, however often and however listed', async () => {
      const { deltas } = (await setup()).catalog;
      const pairs = [pair('1', '3'), pair('2', '3'), pair('1', '3'), pair('1', '3', 'linux/arm64')];
      expect(await deltas.ensure(pairs, 0)).toBe(3);
      expect(await deltas.ensure(pairs, 0)).toBe(0);
      expect(await deltas.ensure([], 0)).toBe(0);
      expect(await deltas.counts()).toEqual({
        pending: 3,
        building: 0,
        proving: 0,
        published: 0,
        rejected: 0,
        failed: 0,
        retired: 0,
      });
    });

    test('very many pairs at once', async () => {
      const { deltas } = (await setup()).catalog;
      const pairs = Array.from({ length: 1234 }, (_, n) => pair(`v${n}`, 'new'));
      expect(await deltas.ensure(pairs, 0)).toBe(1234);
    });

    test('revives what was retired and nothing else', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      const names: readonly DeltaState[] = ['failed', 'rejected', 'published', 'retired'];
      await deltas.ensure(
        names.map((name) => pair(name, 'new')),
        0,
      );
      for (const name of names) {
        const { id, lease, delta } = await claimOne(catalog);
        expect(delta.from).toBe(named(name));
        if (name === 'failed') await deltas.fail(id, lease, 'no', undefined);
        else if (name === 'rejected') await deltas.reject(id, lease, 'big', deltaResult('r'));
        else await deltas.publish(id, lease, deltaResult(name));
        if (name === 'retired') await deltas.retire([id]);
      }
      clock.nowMs += 1;
      const all = names.map((name) => pair(name, 'new'));
      expect(await deltas.ensure(all, clock.nowMs)).toBe(1);
      const rows = await deltas.list({ limit: 10 });
      expect(rows.map((row) => row.state)).toEqual(['failed', 'rejected', 'published', 'pending']);
      expect(rows[3]).toMatchObject({ attempts: 0, progress: 0, updatedMs: clock.nowMs });
      expect(rows[3]?.result).toBeUndefined();
      const { lease } = await claimOne(catalog);
      expect(lease.fence).toBe(2);
    });

    test('what had come to an end and was retired lately is that again', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      const pairs = [pair('published', 'new'), pair('rejected', 'new')];
      await deltas.ensure(pairs, 0);
      const first = await claimOne(catalog);
      await deltas.publish(first.id, first.lease, deltaResult('d'));
      const second = await claimOne(catalog);
      await deltas.reject(second.id, second.lease, 'big', deltaResult('r'));
      await deltas.retire([first.id, second.id]);
      const retiredMs = clock.nowMs;
      clock.nowMs += 1000;
      expect(await deltas.ensure(pairs, retiredMs - 1)).toBe(2);
      const ended = { progress: 1, attempts: 1, updatedMs: clock.nowMs };
      expect(await deltas.list({ limit: 10 })).toMatchObject([
        { ...ended, state: 'published', result: deltaResult('d') },
        { ...ended, state: 'rejected', result: deltaResult('r'), reason: 'big' },
      ]);
      expect(await deltas.claim('w', 1000)).toBeUndefined();
    });

    test('what was retired before it was built again, or whose bytes are going, is built', async () => {
      const { catalog, clock } = await setup();
      const { deltas, gc } = catalog;
      const pairs = [pair('1', '2')];
      await deltas.ensure(pairs, 0);
      const { id, lease } = await claimOne(catalog);
      await deltas.publish(id, lease, deltaResult('d'));
      await deltas.retire([id]);
      clock.nowMs += 1;
      await deltas.ensure(pairs, clock.nowMs);
      await deltas.retire([id]);
      expect(await deltas.ensure(pairs, 0)).toBe(1);
      expect(await deltas.get(id)).toMatchObject({ state: 'pending' });

      const again = await claimOne(catalog);
      await deltas.publish(id, again.lease, deltaResult('e'));
      await deltas.retire([id]);
      clock.nowMs += 10;
      const cutoff = {
        ...{ unnamedBeforeMs: clock.nowMs, retiredBeforeMs: clock.nowMs },
        ...{ keptCommits: 1, liveSinceMs: 0 },
      };
      expect((await gc.condemn([named('e')], cutoff, clock.nowMs + 1000)).size).toBe(1);
      expect(await deltas.ensure(pairs, 0)).toBe(1);
      expect(await deltas.get(id)).toMatchObject({ state: 'pending' });
    });
  });

  describe('deltas: claims', () => {
    test('a row goes through building and proving to published', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      await deltas.ensure([pair('1', '2')], 0);
      const { id, delta, lease } = await claimOne(catalog);
      expect(delta).toEqual({
        ...pair('1', '2'),
        id,
        state: 'building',
        attempts: 1,
        progress: 0,
        createdMs: clock.nowMs,
        updatedMs: clock.nowMs,
      });
      expect(await deltas.claim('w2', 1000)).toBeUndefined();
      await deltas.progress(id, lease, 'building', 0.5, 1000);
      expect(await deltas.get(id)).toMatchObject({ state: 'building', progress: 0.5 });
      await deltas.progress(id, lease, 'proving', 7, 1000);
      expect(await deltas.get(id)).toMatchObject({ state: 'proving', progress: 1 });
      await deltas.publish(id, lease, deltaResult('d'));
      expect(await deltas.get(id)).toMatchObject({ state: 'published', result: deltaResult('d') });
      const late = deltas.progress(id, lease, 'proving', 1, 1000);
      await expect(late).rejects.toMatchObject({ code: 'conflict' });
    });

    test('progress extends the lease; one that ran out is taken over under a higher fence', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      await deltas.ensure([pair('1', '2')], 0);
      const { id, lease } = await claimOne(catalog);
      clock.nowMs += 999;
      await deltas.progress(id, lease, 'proving', 0.1, 1000);
      clock.nowMs += 999;
      expect(await deltas.claim('w2', 1000)).toBeUndefined();
      clock.nowMs += 1;
      const taken = await claimOne(catalog, 'w2');
      expect(taken.delta).toMatchObject({ id, state: 'building', attempts: 2, progress: 0 });
      expect(taken.lease.fence).toBe(lease.fence + 1);
      for (const late of [
        () => deltas.progress(id, lease, 'building', 0.2, 1000),
        () => deltas.publish(id, lease, deltaResult('d')),
        () => deltas.reject(id, lease, 'big', deltaResult('d')),
        () => deltas.fail(id, lease, 'no', undefined),
        () => deltas.publish(id, { ...lease, fence: taken.lease.fence }, deltaResult('d')),
      ]) {
        await expect(late()).rejects.toMatchObject({ code: 'conflict' });
      }
      await deltas.publish(id, taken.lease, deltaResult('d'));
    });

    test('a failed try comes back when it is due, or never', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      await deltas.ensure([pair('1', '2')], 0);
      const first = await claimOne(catalog);
      await deltas.fail(first.id, first.lease, 'disk', clock.nowMs + 500);
      expect(await deltas.get(first.id)).toMatchObject({ state: 'pending', reason: 'disk' });
      expect(await deltas.claim('w1', 1000)).toBeUndefined();
      clock.nowMs += 500;
      const second = await claimOne(catalog);
      expect(second.delta.attempts).toBe(2);
      await deltas.fail(second.id, second.lease, 'disk again', undefined);
      clock.nowMs += 1_000_000;
      expect(await deltas.claim('w1', 1000)).toBeUndefined();
      expect(await deltas.counts()).toMatchObject({ failed: 1 });
    });

    test('retiring takes a row from its holder, and keeps the first time it was retired', async () => {
      const { catalog, clock } = await setup();
      const { deltas } = catalog;
      await deltas.ensure([pair('1', '2'), pair('2', '3')], 0);
      const { id, lease } = await claimOne(catalog);
      await deltas.retire([id]);
      const retiredMs = clock.nowMs;
      const late = deltas.publish(id, lease, deltaResult('d'));
      await expect(late).rejects.toMatchObject({ code: 'conflict' });
      clock.nowMs += 10;
      await deltas.retire([id, id + 1, 999]);
      expect(await deltas.get(id)).toMatchObject({ state: 'retired', updatedMs: retiredMs });
      expect(await deltas.counts()).toMatchObject({ retired: 2 });
      await deltas.ensure([pair('1', '2')], 0);
      const revived = deltas.progress(id, lease, 'building', 0.1, 1000);
      await expect(revived).rejects.toMatchObject({ code: 'conflict' });
    });
  });

  describe('deltas: list', () => {
    test('filters, pages and bounds', async () => {
      const { deltas } = (await setup()).catalog;
      const beta = parseTag('beta');
      const pairs = [
        pair('1', '2'),
        pair('1', '3'),
        pair('2', '3', 'linux/arm64'),
        { ...pair('1', '2'), tag: beta },
        { ...pair('1', '2'), repo: OTHER },
      ];
      await deltas.ensure(pairs, 0);
      const count = async (filter: object) => (await deltas.list({ limit: 9, ...filter })).length;
      expect(await count({})).toBe(5);
      expect(await count({ repo: OTHER })).toBe(1);
      expect(await count({ tag: beta })).toBe(1);
      expect(await count({ platform: 'linux/arm64' })).toBe(1);
      expect(await count({ from: named('1'), to: named('2') })).toBe(3);
      expect(await count({ states: ['published', 'pending'] })).toBe(5);
      expect(await count({ states: ['published'] })).toBe(0);
      expect(await count({ states: [] })).toBe(0);
      const first = await deltas.list({ limit: 2 });
      const rest = await deltas.list({ limit: 9, after: first[1]?.id });
      expect([...first, ...rest].map(({ from, to }) => ({ from, to }))).toEqual(
        pairs.map(({ from, to }) => ({ from, to })),
      );
    });
  });
}
