import { describe, expect, test, vi } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { GcCutoff } from '../../../storage/catalog/gc-catalog.ts';
import { pruneOstree } from '../../../storage/gc/ostree.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { chunkedLayer } from './layers.ts';
import { manifest, named, OTHER, REPO, type TestClock } from './names.ts';
import { batchOf, chunkOf, MAIN, nameOf, PACK, record, sum, tree } from './ostree-names.ts';

const HOUR = 3_600_000;

function cutoffAt(nowMs: number, keptCommits = 10): GcCutoff {
  const beforeMs = nowMs - HOUR;
  return {
    unnamedBeforeMs: beforeMs,
    retiredBeforeMs: beforeMs,
    keptCommits,
    liveSinceMs: nowMs - 24 * HOUR,
  };
}

export function ostreeGcSuite(setup: CatalogUnderTest): void {
  describe('gc: ostree', () => {
    /** Prunes as foretold, a few rows at a time. */
    async function prune(catalog: Catalog, clock: TestClock, keptCommits?: number) {
      const cutoff = cutoffAt(clock.nowMs, keptCommits);
      const { ostreeLinks, ostreeObjects } = await catalog.gc.prunable(cutoff);
      const pruned = await pruneOstree(catalog.gc, cutoff, 3, undefined);
      expect(pruned).toEqual({ ostreeLinks, ostreeObjects });
      return [ostreeLinks, ostreeObjects];
    }

    /** Commits of a ref, each with its parent and with one file of its own beside a common one. */
    async function history(...commits: readonly string[]) {
      const { catalog, clock } = await setup();
      let parent: string | undefined;
      for (const c of commits) {
        const { all } = tree(c, [`${c} own`, 'common'], parent);
        await catalog.ostree.addObjects(REPO, batchOf(...all));
        await catalog.ostree.moveRef(REPO, MAIN, sum(c), 'any');
        parent = c;
      }
      return { catalog, clock, ostree: catalog.ostree };
    }

    test('a ref keeps its commits, so many of them', async () => {
      const { catalog, clock, ostree } = await history('1', '2', '3');
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock)).toEqual([0, 0]);
      expect(await prune(catalog, clock, 2)).toEqual([3, 3]);
      expect(await ostree.object(REPO, nameOf('commit', '1'))).toBeUndefined();
      expect(await ostree.chunksOf(nameOf('file', '1 own'))).toEqual([]);
      expect((await ostree.refLog(REPO, MAIN, 9)).map(({ checksum }) => checksum)).toEqual([
        sum('3'),
        sum('2'),
      ]);
      for (const c of ['2', '3']) expect(await ostree.closureGaps(REPO, sum(c), 9)).toEqual([]);
      expect(await prune(catalog, clock, 1)).toEqual([3, 3]);
      await ostree.deleteRef(REPO, MAIN);
      expect(await prune(catalog, clock)).toEqual([6, 6]);
      // Nothing is left, not even names of commits that were cut off.
      expect(await ostree.packsOf([nameOf('file', 'common')])).toEqual(new Map());
      expect((await catalog.gc.prune(cutoffAt(clock.nowMs), 9)).packs).toBe(1);
    });

    test('what live devices run stays, without parents, while their ref is there', async () => {
      const { catalog, clock, ostree } = await history('1', '2', '3', '4');
      const device = { id: 'dev', kind: 'ostree', product: REPO, region: '' } as const;
      const at = { current: sum('2'), seenMs: clock.nowMs };
      await catalog.fleet.seen({ ...device, channel: MAIN, ...at });
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock, 2)).toEqual([3, 3]);
      expect(await ostree.closureGaps(REPO, sum('2'), 9)).toEqual([]);
      expect(await ostree.object(REPO, nameOf('commit', '1'))).toBeUndefined();
      clock.nowMs += 24 * HOUR;
      expect(await prune(catalog, clock, 2)).toEqual([3, 3]);
      await catalog.fleet.seen({ ...device, channel: MAIN, ...at, seenMs: clock.nowMs });
      await catalog.fleet.seen({
        ...device,
        id: 'other',
        channel: MAIN,
        current: sum('3'),
        seenMs: clock.nowMs,
      });
      expect(await prune(catalog, clock, 1)).toEqual([0, 0]);
      await ostree.deleteRef(REPO, MAIN);
      expect(await prune(catalog, clock, 1)).toEqual([9, 9]);
    });

    test('what live devices came from, or were told to install lately, stays too', async () => {
      const { catalog, clock, ostree } = await history('1', '2', '3', '4', '5');
      const { fleet } = catalog;
      const device = { id: 'dev', kind: 'ostree', product: REPO, region: '' } as const;
      const decide = async (from: string, to: string) => {
        const ends = { from: sum(from), to: sum(to), createdMs: clock.nowMs };
        await fleet.decide({ id: to, kind: 'ostree', deviceId: 'dev', product: REPO, ...ends });
      };
      await decide('1', '2');
      await decide('2', '3');
      clock.nowMs += 25 * HOUR;
      const seen = { current: sum('3'), seenMs: clock.nowMs };
      await fleet.seen({ ...device, channel: MAIN, ...seen });
      expect(await prune(catalog, clock, 1)).toEqual([6, 6]);
      for (const c of ['2', '3', '5'])
        expect(await ostree.closureGaps(REPO, sum(c), 9)).toEqual([]);
      await decide('3', '5');
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock, 1)).toEqual([0, 0]);
      clock.nowMs += 25 * HOUR;
      expect(await prune(catalog, clock, 1)).toEqual([6, 6]);
    });

    test('parents count where the log says nothing', async () => {
      const { catalog, clock } = await setup();
      const { ostree } = catalog;
      const commits = ['1', '2', '3'];
      for (const [n, c] of commits.entries()) {
        const { all } = tree(c, [`${c} own`, 'common'], commits[n - 1]);
        await ostree.addObjects(REPO, batchOf(...all));
      }
      await ostree.moveRef(REPO, MAIN, sum('3'), undefined);
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock, 2)).toEqual([3, 3]);
      expect(await ostree.closureGaps(REPO, sum('2'), 9)).toEqual([]);
      expect(await ostree.closureGaps(REPO, sum('1'), 9)).toEqual([nameOf('commit', '1')]);
    });

    test('a ref that goes back keeps where it went from, and the other way round', async () => {
      const { catalog, clock, ostree } = await history('1', '2');
      await ostree.moveRef(REPO, MAIN, sum('1'), sum('2'));
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock, 2)).toEqual([0, 0]);
      expect(await prune(catalog, clock, 1)).toEqual([3, 3]);
      expect(await ostree.closureGaps(REPO, sum('1'), 9)).toEqual([]);
    });

    test('what was pushed lately stays with all it names, and what was asked for', async () => {
      const { catalog, clock } = await setup();
      const { ostree } = catalog;
      const { all, commit, sub, inner } = tree('c', ['a', 'b']);
      await ostree.addObjects(REPO, batchOf(...all));
      clock.nowMs += 2 * HOUR;
      // A push of another commit has it all, and asks for a folder only.
      expect(await ostree.missing(REPO, [sub.name])).toEqual([]);
      expect(await prune(catalog, clock)).toEqual([4, 4]);
      expect(await ostree.object(REPO, inner.name)).toBeDefined();
      expect(await ostree.object(REPO, commit.name)).toBeUndefined();
      clock.nowMs += 2 * HOUR;
      await ostree.addObjects(REPO, batchOf(record('dirtree', 'late', [sub.name])));
      expect(await prune(catalog, clock)).toEqual([0, 0]);
      expect(await ostree.missing(REPO, [sub.name, inner.name])).toEqual([]);
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock)).toEqual([3, 3]);
    });

    test('each repository loses what it does not reach, bytes stay while any has them', async () => {
      const { catalog, clock } = await setup();
      const { ostree } = catalog;
      const { all, commit, inner } = tree('c', ['a', 'b']);
      for (const repo of [REPO, OTHER]) await ostree.addObjects(repo, batchOf(...all));
      await ostree.moveRef(OTHER, MAIN, commit.name.checksum, undefined);
      await ostree.putCommitmeta(REPO, commit.name.checksum, Buffer.from('signed'), undefined);
      clock.nowMs += 2 * HOUR;
      await vi.waitUntil(() => catalog.removalEpoch() !== undefined);
      const epoch = catalog.removalEpoch();
      expect(await prune(catalog, clock)).toEqual([6, 0]);
      expect(catalog.removalEpoch()).not.toBe(epoch);
      expect(await ostree.object(REPO, inner.name)).toBeUndefined();
      expect(await ostree.object(OTHER, inner.name)).toBeDefined();
      expect(await ostree.commitmeta(REPO, commit.name.checksum)).toBeUndefined();
      expect(await ostree.closureGaps(OTHER, commit.name.checksum, 9)).toEqual([]);
    });

    test('a deep tree and a wide one go entirely', async () => {
      const { catalog, clock } = await setup();
      const { ostree } = catalog;
      const deep = Array.from({ length: 40 }, (_, n) =>
        record('dirtree', `deep ${n}`, n === 39 ? [] : [nameOf('dirtree', `deep ${n + 1}`)]),
      );
      const files = Array.from({ length: 60 }, (_, n) => record('file', `wide ${n}`));
      const wide = record(
        'dirtree',
        'wide',
        files.map(({ name }) => name),
      );
      for (const one of [...deep, wide, ...files]) await ostree.addObjects(REPO, batchOf(one));
      clock.nowMs += 2 * HOUR;
      expect(await prune(catalog, clock)).toEqual([101, 101]);
      expect((await catalog.gc.prune(cutoffAt(clock.nowMs), 9)).packs).toBe(1);
    });

    test('packs live while an object that stays lies in them', async () => {
      const { catalog, clock } = await setup();
      const { ostree, gc, layers, repositories } = catalog;
      const { all, commit } = tree('c', ['a', 'b']);
      await ostree.addObjects(REPO, batchOf(...all));
      await ostree.moveRef(REPO, MAIN, commit.name.checksum, undefined);
      const dead = record('file', 'dead', [], [chunkOf('dead', 'dead pack')]);
      const pack = { digest: named('dead pack'), size: 1 };
      await ostree.addObjects(REPO, { ...batchOf(dead), pack });
      // A layer relies on a chunk that came with the objects.
      await repositories.linkBlob(REPO, named('layer'), 1);
      await repositories.putManifest(REPO, manifest('m'), [
        { digest: named('layer'), kind: 'layer' },
      ]);
      await layers.ensure(named('layer'), 'tar');
      const claim = await layers.claim('w', 1000);
      if (claim === undefined) throw new Error('nothing to claim');
      await layers.finish(named('layer'), claim.lease, chunkedLayer('layer', [], [PACK]));
      clock.nowMs += 2 * HOUR;
      const cutoff = cutoffAt(clock.nowMs);
      const packs = [named(PACK), named('dead pack')];
      const both = async () => {
        const { packs: foretold } = await gc.prunable(cutoff);
        const reachable = await gc.reachable(packs, cutoff);
        expect(await gc.condemn(packs, cutoff, clock.nowMs)).toEqual(new Set());
        await pruneOstree(gc, cutoff, 10, undefined);
        while ((await gc.prune(cutoff, 9)).layers > 0);
        const pruned = await gc.condemn(packs, cutoff, clock.nowMs);
        expect([...pruned].length).toBe(foretold);
        expect(packs.filter((one) => !reachable.has(one))).toEqual([...pruned]);
        await gc.settle([], [...pruned], clock.nowMs, clock.nowMs);
        return pruned;
      };
      expect(await both()).toEqual(new Set([named('dead pack')]));
      await ostree.deleteRef(REPO, MAIN);
      expect((await gc.reachable(packs, cutoff)).has(named(PACK))).toBe(true);
      await pruneOstree(gc, cutoff, 10, undefined);
      expect((await gc.prune(cutoff, 9)).packs).toBe(0);
      await repositories.deleteManifest(REPO, named('m'));
      expect((await gc.prunable(cutoff)).packs).toBe(1);
      await gc.prune(cutoff, 9);
      expect(await layers.findChunks([chunkOf('a').digest])).toEqual([]);
    });
  });
}
