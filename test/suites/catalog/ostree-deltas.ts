import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type {
  OstreeDeltaFile,
  OstreeDeltaPair,
  OstreeDeltaResult,
} from '../../../storage/catalog/ostree-delta-catalog.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { named, OTHER, REPO } from './names.ts';
import { batchOf, MAIN, sum, tree } from './ostree-names.ts';

const HOUR = 3_600_000;

export const OSTREE_RESULT: OstreeDeltaResult = {
  superblockBytes: 10,
  partBytes: 20,
  fallbackBytes: 0,
  fullBytes: 90,
  fullRequests: 7,
  requests: 2,
  buildMs: 12.5,
  applyMs: 3,
};

export function ostreePair(from: string | undefined, to: string): OstreeDeltaPair {
  return { repo: REPO, ref: MAIN, from: from === undefined ? undefined : sum(from), to: sum(to) };
}

export function deltaFile(name: string, text: string): OstreeDeltaFile {
  return { name, digest: named(text), size: text.length };
}

async function claimOne({ ostreeDeltas }: Catalog, owner = 'w1') {
  const claim = await ostreeDeltas.claim(owner, 1000);
  if (claim === undefined) throw new Error('nothing to claim');
  return { id: claim.delta.id, ...claim };
}

/** A published delta of a superblock and a part. */
export async function publishOstree(catalog: Catalog, pair: OstreeDeltaPair, text: string) {
  await catalog.ostreeDeltas.ensure([pair], 0);
  const { id, lease } = await claimOne(catalog);
  const files = [deltaFile('superblock', `${text} superblock`), deltaFile('0', `${text} part`)];
  await catalog.ostreeDeltas.publish(id, lease, OSTREE_RESULT, files);
  return id;
}

export function ostreeDeltaSuite(setup: CatalogUnderTest): void {
  describe('static deltas: ensure', () => {
    test('adds each pair once, whichever ref wants it; one from scratch is another', async () => {
      const { ostreeDeltas } = (await setup()).catalog;
      const pairs = [ostreePair('a', 'b'), ostreePair(undefined, 'b'), ostreePair('a', 'b')];
      expect(await ostreeDeltas.ensure(pairs, 0)).toBe(2);
      const elsewhere = { ...ostreePair('a', 'b'), ref: parseOstreeRef('os/beta') };
      expect(await ostreeDeltas.ensure([elsewhere], 0)).toBe(0);
      expect(await ostreeDeltas.ensure([{ ...elsewhere, repo: OTHER }], 0)).toBe(1);
      expect(await ostreeDeltas.ensure([], 0)).toBe(0);
      expect(await ostreeDeltas.counts()).toMatchObject({ pending: 3, building: 0 });
      const many = Array.from({ length: 1234 }, (_, n) => ostreePair(`v${n}`, 'new'));
      expect(await ostreeDeltas.ensure(many, 0)).toBe(1234);
    });

    test('publishes again what was retired lately, and builds again what was so long ago', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas } = catalog;
      const id = await publishOstree(catalog, ostreePair('a', 'b'), 'ab');
      await ostreeDeltas.retire([id]);
      const retiredMs = clock.nowMs;
      clock.nowMs += 1000;
      expect(await ostreeDeltas.ensure([ostreePair('a', 'b')], retiredMs - 1)).toBe(1);
      expect(await ostreeDeltas.get(id)).toMatchObject({
        state: 'published',
        result: OSTREE_RESULT,
      });
      await ostreeDeltas.retire([id]);
      expect(await ostreeDeltas.ensure([ostreePair('a', 'b')], clock.nowMs)).toBe(1);
      const row = await ostreeDeltas.get(id);
      expect(row).toMatchObject({ state: 'pending', attempts: 0 });
      expect(row?.result).toBeUndefined();
      expect(await ostreeDeltas.published(REPO, sum('b'))).toEqual([]);
      expect((await claimOne(catalog)).lease.fence).toBe(2);
    });

    test('what was rejected, or retired while it was built, has nothing to publish again', async () => {
      const { catalog } = await setup();
      const { ostreeDeltas } = catalog;
      await ostreeDeltas.ensure([ostreePair('a', 'b'), ostreePair('a', 'c')], 0);
      const first = await claimOne(catalog);
      await ostreeDeltas.keepFile(first.id, first.lease, deltaFile('0', 'part'));
      await ostreeDeltas.reject(first.id, first.lease, 'big', OSTREE_RESULT);
      const second = await claimOne(catalog);
      await ostreeDeltas.keepFile(second.id, second.lease, deltaFile('superblock', 's'));
      await ostreeDeltas.retire([first.id, second.id]);
      expect(await ostreeDeltas.file(ostreePair('a', 'c'), 'superblock', 0)).toBeUndefined();
      expect(await ostreeDeltas.ensure([ostreePair('a', 'b'), ostreePair('a', 'c')], 0)).toBe(2);
      expect(await ostreeDeltas.counts()).toMatchObject({ pending: 2, published: 0 });
    });
  });

  describe('static deltas: claims', () => {
    test('a row goes through building and proving to published, and its files with it', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas } = catalog;
      await ostreeDeltas.ensure([ostreePair('a', 'b')], 0);
      const { id, delta, lease } = await claimOne(catalog);
      expect(delta).toEqual({
        ...ostreePair('a', 'b'),
        id,
        state: 'building',
        attempts: 1,
        progress: 0,
        createdMs: clock.nowMs,
        updatedMs: clock.nowMs,
      });
      expect(await ostreeDeltas.claim('w2', 1000)).toBeUndefined();
      await ostreeDeltas.keepFile(id, lease, deltaFile('0', 'first try'));
      await ostreeDeltas.keepFile(id, lease, deltaFile('1', 'too much'));
      await ostreeDeltas.keepFile(id, lease, deltaFile('0', 'part'));
      await ostreeDeltas.progress(id, lease, 'proving', 7, 1000);
      expect(await ostreeDeltas.get(id)).toMatchObject({ state: 'proving', progress: 1 });
      expect(await ostreeDeltas.file(delta, '0', 0)).toBeUndefined();
      const files = [deltaFile('0', 'part'), deltaFile('superblock', 'super')];
      await ostreeDeltas.publish(id, lease, OSTREE_RESULT, files);
      for (const file of files) {
        expect(await ostreeDeltas.file(delta, file.name, clock.nowMs)).toEqual(file);
      }
      expect(await ostreeDeltas.file(delta, '1', 0)).toBeUndefined();
      expect(await ostreeDeltas.file({ ...delta, repo: OTHER }, '0', 0)).toBeUndefined();
      const late = ostreeDeltas.keepFile(id, lease, deltaFile('2', 'late'));
      await expect(late).rejects.toMatchObject({ code: 'conflict' });
      expect(await ostreeDeltas.file(delta, '2', 0)).toBeUndefined();
    });

    test('a lease that ran out is taken over under a higher fence', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas } = catalog;
      await ostreeDeltas.ensure([ostreePair('a', 'b')], 0);
      const { id, lease } = await claimOne(catalog);
      clock.nowMs += 999;
      await ostreeDeltas.progress(id, lease, 'building', 0.1, 1000);
      clock.nowMs += 1000;
      const taken = await claimOne(catalog, 'w2');
      expect(taken.delta).toMatchObject({ id, attempts: 2, progress: 0 });
      for (const late of [
        () => ostreeDeltas.progress(id, lease, 'building', 0.2, 1000),
        () => ostreeDeltas.keepFile(id, lease, deltaFile('0', 'part')),
        () => ostreeDeltas.publish(id, lease, OSTREE_RESULT, []),
        () => ostreeDeltas.reject(id, lease, 'big', OSTREE_RESULT),
        () => ostreeDeltas.fail(id, lease, 'no', undefined),
      ]) {
        await expect(late()).rejects.toMatchObject({ code: 'conflict' });
      }
      await ostreeDeltas.fail(id, taken.lease, 'disk', clock.nowMs + 500);
      expect(await ostreeDeltas.claim('w1', 1000)).toBeUndefined();
      clock.nowMs += 500;
      const third = await claimOne(catalog);
      expect(third.delta).toMatchObject({ attempts: 3, reason: 'disk' });
      await ostreeDeltas.fail(id, third.lease, 'again', undefined);
      expect(await ostreeDeltas.counts()).toMatchObject({ failed: 1 });
    });
  });

  describe('static deltas: what is served', () => {
    test('published ones, and retired ones for as long as is said', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas } = catalog;
      const id = await publishOstree(catalog, ostreePair('a', 'b'), 'ab');
      await publishOstree(catalog, ostreePair(undefined, 'b'), 'b');
      await publishOstree(catalog, ostreePair('a', 'c'), 'ac');
      expect(await ostreeDeltas.published(REPO, sum('b'))).toEqual([
        { name: { repo: REPO, from: undefined, to: sum('b') }, superblock: named('b superblock') },
        { name: { repo: REPO, from: sum('a'), to: sum('b') }, superblock: named('ab superblock') },
      ]);
      await ostreeDeltas.retire([id]);
      expect(await ostreeDeltas.published(REPO, sum('b'))).toHaveLength(1);
      const pair = ostreePair('a', 'b');
      expect(await ostreeDeltas.file(pair, '0', clock.nowMs - 1)).toBeDefined();
      expect(await ostreeDeltas.file(pair, '0', clock.nowMs)).toBeUndefined();
    });

    test('lists, pages and covers', async () => {
      const { catalog } = await setup();
      const { ostreeDeltas } = catalog;
      const id = await publishOstree(catalog, ostreePair('a', 'b'), 'ab');
      await ostreeDeltas.ensure([ostreePair(undefined, 'b'), ostreePair('a', 'c')], 0);
      const count = async (filter: object) =>
        (await ostreeDeltas.list({ limit: 9, ...filter })).length;
      expect(await count({})).toBe(3);
      expect(await count({ repo: OTHER })).toBe(0);
      expect(await count({ ref: MAIN })).toBe(3);
      expect(await count({ from: sum('a') })).toBe(2);
      expect(await count({ from: 'scratch' })).toBe(1);
      expect(await count({ to: sum('c') })).toBe(1);
      expect(await count({ states: ['published'] })).toBe(1);
      expect(await count({ states: [] })).toBe(0);
      expect(await count({ after: id })).toBe(2);
      expect(await ostreeDeltas.coverage()).toEqual([{ repo: REPO, wanted: 3, done: 1 }]);
    });
  });

  describe('static deltas: the collector', () => {
    test('files are named while they are built, published, or retired within an hour', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas, gc } = catalog;
      const cutoff = () => ({
        unnamedBeforeMs: clock.nowMs - HOUR,
        retiredBeforeMs: clock.nowMs - HOUR,
        keptCommits: 10,
        liveSinceMs: 0,
      });
      const reached = async (texts: readonly string[]) => {
        const found = await gc.reachable(texts.map(named), cutoff());
        return texts.filter((text) => found.has(named(text)));
      };
      const old = await publishOstree(catalog, ostreePair('a', 'b'), 'old');
      await publishOstree(catalog, ostreePair('b', 'c'), 'new');
      await ostreeDeltas.ensure([ostreePair('c', 'd')], 0);
      const { id, lease } = await claimOne(catalog);
      await ostreeDeltas.keepFile(id, lease, deltaFile('0', 'building'));
      const all = ['old superblock', 'old part', 'new superblock', 'new part', 'building'];
      clock.nowMs += 2 * HOUR;
      expect(await reached(all)).toEqual(all);
      await ostreeDeltas.retire([old]);
      clock.nowMs += HOUR - 1;
      expect(await reached(all)).toEqual(all);
      expect((await gc.prunable(cutoff())).ostreeDeltas).toBe(0);
      clock.nowMs += 1;
      expect(await reached(all)).toEqual(all.slice(2));
      expect((await gc.prunable(cutoff())).ostreeDeltas).toBe(1);
      expect((await gc.prune(cutoff(), 5)).ostreeDeltas).toBe(1);
      expect((await gc.prune(cutoff(), 5)).ostreeDeltas).toBe(0);
      expect(await ostreeDeltas.get(old)).toBeUndefined();
    });

    test('loose objects of a commit count, less those of another that the repository has', async () => {
      const { ostree, ostreeDeltas } = (await setup()).catalog;
      const header = 'header of x'.length;
      const metadata = 20;
      const file = header + 8 + 10;
      for (const { all } of [tree('1', ['a', 'b']), tree('2', ['c', 'b'])]) {
        await ostree.addObjects(REPO, batchOf(...all));
      }
      const loose = (from: string | undefined, to: string, repo = REPO) =>
        ostreeDeltas.loose({ ...ostreePair(from, to), repo });
      expect(await loose(undefined, '1')).toEqual({ bytes: 4 * metadata + 2 * file, requests: 6 });
      expect(await loose('1', '2')).toEqual({ bytes: 2 * metadata + file, requests: 3 });
      expect(await loose('foreign', '2')).toEqual(await loose(undefined, '2'));
      expect(await loose('1', 'foreign')).toEqual({ bytes: 0, requests: 0 });
      expect(await loose(undefined, '1', OTHER)).toEqual({ bytes: 0, requests: 0 });
    });

    test('a file that is being removed is not named', async () => {
      const { catalog, clock } = await setup();
      const { ostreeDeltas, gc } = catalog;
      await ostreeDeltas.ensure([ostreePair('a', 'b')], 0);
      const { id, lease } = await claimOne(catalog);
      const cutoff = {
        unnamedBeforeMs: clock.nowMs,
        retiredBeforeMs: clock.nowMs,
        keptCommits: 10,
        liveSinceMs: 0,
      };
      await gc.condemn([named('part')], cutoff, clock.nowMs + 1000);
      const naming = ostreeDeltas.publish(id, lease, OSTREE_RESULT, [deltaFile('0', 'part')]);
      await expect(naming).rejects.toMatchObject({ code: 'unavailable' });
      expect(await ostreeDeltas.get(id)).toMatchObject({ state: 'building' });
    });

    test('fsck hears of the files and of whom they are', async () => {
      const { catalog } = await setup();
      await publishOstree(catalog, ostreePair('a', 'b'), 'ab');
      const expected = await catalog.audit.expected('delta', undefined, 9);
      expect(expected.map(({ digest }) => digest).toSorted()).toEqual(
        [named('ab superblock'), named('ab part')].toSorted(),
      );
      expect(await catalog.audit.affected(named('ab part'), 5)).toEqual([
        `static delta 1 of ${REPO}:${MAIN}`,
      ]);
    });
  });
}
