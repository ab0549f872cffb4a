import { describe, expect, test } from 'vitest';

import type { CatalogUnderTest } from '../catalog.ts';
import { named, OTHER, REPO } from './names.ts';
import { batchOf, chunkOf, nameOf, PACK, record, sorted, tree } from './ostree-names.ts';

export function ostreeSuite(setup: CatalogUnderTest): void {
  describe('ostree: objects', () => {
    test('what was added is served, by its repository alone', async () => {
      const { ostree } = (await setup()).catalog;
      const { all, commit, outer } = tree('c', ['a', 'b']);
      const names = all.map(({ name }) => name);
      expect(await ostree.missing(REPO, names)).toEqual(names);
      expect(await ostree.repos()).toEqual([]);
      await ostree.addObjects(REPO, batchOf(...all));
      expect(await ostree.repos()).toEqual([REPO]);
      expect(await ostree.missing(REPO, names)).toEqual([]);
      expect(await ostree.object(REPO, outer.name)).toEqual({ size: 20, header: outer.header });
      expect(await ostree.object(REPO, commit.name)).toEqual({ size: 20 });
      expect(await ostree.object(REPO, { ...outer.name, kind: 'dirtree' })).toBeUndefined();
      expect(await ostree.missing(OTHER, names)).toEqual(names);
      expect(await ostree.object(OTHER, outer.name)).toBeUndefined();
    });

    test('only named is missing, and asking says nothing of another repository', async () => {
      const { ostree } = (await setup()).catalog;
      const { root, sub, outer, all } = tree('c', ['a', 'b']);
      await ostree.addObjects(REPO, batchOf(root));
      const names = [sub.name, root.name, outer.name];
      expect(await ostree.missing(REPO, names)).toEqual([sub.name, outer.name]);
      expect(await ostree.object(REPO, sub.name)).toBeUndefined();
      await ostree.addObjects(OTHER, batchOf(...all));
      expect(await ostree.missing(REPO, names)).toEqual([sub.name, outer.name]);
    });

    test('adding is idempotent and keeps what is known', async () => {
      const { catalog } = await setup();
      const { ostree } = catalog;
      const object = record('file', 'f');
      await ostree.addObjects(REPO, batchOf(object, object));
      const elsewhere = { ...object, chunks: [chunkOf('f', PACK, 99)], size: 20 };
      await ostree.addObjects(REPO, { ...batchOf(elsewhere), newChunks: [] });
      await ostree.addObjects(OTHER, { ...batchOf(elsewhere), newChunks: [] });
      expect(await ostree.chunksOf(object.name)).toEqual([{ ...chunkOf('f'), start: 0 }]);
      expect(await ostree.repos()).toEqual([REPO, OTHER].toSorted());
    });

    test('chunks by range', async () => {
      const { ostree } = (await setup()).catalog;
      const chunks = Array.from({ length: 700 }, (_, n) => chunkOf(`c${n}`, PACK, 16 + n * 10));
      const big = record('file', 'big', [], chunks);
      await ostree.addObjects(REPO, batchOf(big, record('file', 'empty', [], [])));
      const all = await ostree.chunksOf(big.name);
      expect(all).toEqual(chunks.map((chunk, n) => ({ ...chunk, start: n * 20 })));
      for (const [start, endExclusive, from, to] of [
        [0, 14_000, 0, 700],
        [0, 1, 0, 1],
        [19, 21, 0, 2],
        [20, 40, 1, 2],
        [13_999, 14_000, 699, 700],
        [5000, 5001, 250, 251],
      ] as const) {
        const part = await ostree.chunksOf(big.name, { start, endExclusive });
        expect(part).toEqual(all.slice(from, to));
      }
      expect(await ostree.chunksOf(nameOf('file', 'empty'))).toEqual([]);
      expect(await ostree.chunksOf(nameOf('file', 'never'))).toEqual([]);
    });

    test('many objects in one batch', async () => {
      const { ostree } = (await setup()).catalog;
      const files = Array.from({ length: 1777 }, (_, n) => record('file', `f${n}`));
      const names = files.map(({ name }) => name);
      const root = record('dirtree', 'root', names);
      await ostree.addObjects(REPO, batchOf(root, ...files));
      expect(await ostree.missing(REPO, names)).toEqual([]);
      const packs = await ostree.packsOf(names);
      expect([...packs.keys()]).toEqual([named(PACK)]);
      expect(sorted(packs.get(named(PACK)) ?? [])).toEqual(sorted(names));
    });

    test('a pack that nobody knows is refused, and nothing of the batch is recorded', async () => {
      const { ostree } = (await setup()).catalog;
      const lost = record('file', 'lost', [], [chunkOf('lost', 'collected pack')]);
      const added = ostree.addObjects(REPO, { ...batchOf(record('file', 'f'), lost) });
      await expect(added).rejects.toMatchObject({ code: 'conflict', retryable: true });
      expect(await ostree.object(REPO, nameOf('file', 'f'))).toBeUndefined();
      expect(await ostree.repos()).toEqual([]);
    });

    test('a pack that is being collected is refused until it is stored again', async () => {
      const { catalog, clock } = await setup();
      const cutoff = { unnamedBeforeMs: 0, retiredBeforeMs: 0, keptCommits: 10, liveSinceMs: 0 };
      await catalog.gc.condemn([named(PACK)], cutoff, clock.nowMs + 1000);
      const add = () => catalog.ostree.addObjects(REPO, batchOf(record('file', 'f')));
      await expect(add()).rejects.toMatchObject({ code: 'unavailable' });
      clock.nowMs += 1000;
      await add();
    });

    test('what lay in a lost pack moves to where it is now', async () => {
      const { catalog } = await setup();
      const { ostree, layers } = catalog;
      await ostree.addObjects(REPO, batchOf(record('file', 'f'), record('file', 'g')));
      const chunk = chunkOf('f', 'new pack', 70);
      const again = { ...record('file', 'f'), chunks: [chunk] };
      await ostree.addObjects(REPO, {
        objects: [again],
        pack: { digest: named('new pack'), size: 100 },
        newChunks: [chunk],
        lostPacks: [named(PACK), named('new pack')],
      });
      expect(await ostree.chunksOf(again.name)).toEqual([{ ...chunk, start: 0 }]);
      expect(await ostree.chunksOf(nameOf('file', 'g'))).toEqual([{ ...chunkOf('g'), start: 0 }]);
      expect(await layers.findChunks([chunk.digest])).toContainEqual(chunk);
    });
  });
}
