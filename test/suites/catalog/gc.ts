import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { GcCutoff } from '../../../storage/catalog/gc-catalog.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { manifest, named, OTHER, REPO } from './names.ts';
import { pair } from './pairs.ts';

const HOUR = 3_600_000;

export function cutoffAt(nowMs: number): GcCutoff {
  return {
    unnamedBeforeMs: nowMs - HOUR,
    retiredBeforeMs: nowMs - HOUR,
    keptCommits: 10,
    liveSinceMs: nowMs - HOUR,
  };
}

export const layerOf = (text: string) => ({ digest: named(text), kind: 'layer' as const });

/** A linked, named, chunked layer with a chunk of that text, whose chunk index names those packs. */
async function pushLayer(
  catalog: Catalog,
  name: string,
  packs?: readonly string[],
  text = `${name} chunk`,
) {
  await catalog.repositories.linkBlob(REPO, named(name), 1);
  await catalog.repositories.putManifest(REPO, manifest(`${name} manifest`), [layerOf(name)]);
  await catalog.layers.ensure(named(name), 'tar');
  const claim = await catalog.layers.claim('w', 1000);
  if (claim === undefined) throw new Error('nothing to claim');
  const chunks = [chunk(text, `${name} pack`)];
  const result = chunkedLayer(name, chunks, [`${name} pack`, ...(packs ?? [])]);
  await catalog.layers.finish(claim.layer.digest, claim.lease, result);
}

export function gcSuite(setup: CatalogUnderTest): void {
  describe('gc: rows', () => {
    test('links go when no manifest of their repository names the blob, and they are old', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      for (const name of ['named', 'unnamed', 'again']) {
        await repositories.linkBlob(REPO, named(name), 1);
        await repositories.linkBlob(OTHER, named(name), 1);
      }
      await repositories.putManifest(REPO, manifest('m'), [layerOf('named')]);
      clock.nowMs += 2 * HOUR;
      await repositories.linkBlob(REPO, named('again'), 1);
      const cutoff = cutoffAt(clock.nowMs);
      const rows = { links: 4, layers: 0, packs: 0 };
      expect(await gc.prunable(cutoff)).toMatchObject(rows);
      expect((await gc.prune(cutoff, 3)).links).toBe(3);
      expect((await gc.prune(cutoff, 3)).links).toBe(1);
      expect(await gc.prune(cutoff, 3)).toEqual({
        links: 0,
        layers: 0,
        packs: 0,
        deltas: 0,
        ostreeDeltas: 0,
      });
      expect(await repositories.hasBlob(REPO, named('named'))).toBe(true);
      expect(await repositories.hasBlob(REPO, named('again'))).toBe(true);
      expect(await repositories.findBlob(named('unnamed'))).toBeUndefined();
      expect(await repositories.hasBlob(OTHER, named('named'))).toBe(false);
    });

    test('what a sparse manifest waits for stays once it comes', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      const late = { digest: named('late'), kind: 'layer' as const, tarType: 'application/x-tar' };
      await repositories.putManifest(REPO, manifest('m'), [late]);
      clock.nowMs += HOUR;
      await repositories.linkBlob(REPO, late.digest, 1);
      clock.nowMs += 2 * HOUR;
      const cutoff = cutoffAt(clock.nowMs);
      expect(await gc.prune(cutoff, 9)).toEqual({
        links: 0,
        layers: 0,
        packs: 0,
        deltas: 0,
        ostreeDeltas: 0,
      });
      expect(await gc.reachable([late.digest], cutoff)).toEqual(new Set([late.digest]));
    });

    test('a link pruned moments ago makes no sparse manifest until it is pushed again', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      await repositories.linkBlob(REPO, named('layer'), 1);
      await repositories.linkBlob(OTHER, named('shared'), 1);
      await repositories.putManifest(OTHER, manifest('o'), [layerOf('shared')]);
      await repositories.linkBlob(REPO, named('shared'), 1);
      clock.nowMs += 2 * HOUR;
      expect((await gc.prune(cutoffAt(clock.nowMs), 9)).links).toBe(2);
      const put = (child: string) =>
        repositories.putManifest(REPO, manifest('m'), [layerOf(child)]);
      await expect(put('layer')).rejects.toMatchObject({ code: 'unavailable' });
      // Another repository has it still; this one's client found it here.
      await expect(put('shared')).rejects.toMatchObject({ code: 'unavailable' });
      await repositories.putManifest(OTHER, manifest('again'), [layerOf('shared')]);
      for (const name of ['layer', 'shared']) {
        await repositories.linkBlob(REPO, named(name), 1);
        await put(name);
      }
    });

    test('a pack lives while any layer in use names it', async () => {
      const { catalog, clock } = await setup();
      const { repositories, layers, gc } = catalog;
      await pushLayer(catalog, 'a');
      await pushLayer(catalog, 'b', ['a pack']);
      clock.nowMs += 2 * HOUR;
      const cutoff = cutoffAt(clock.nowMs);
      const prune = async () => {
        const expected = await gc.prunable(cutoff);
        const pruned = await gc.prune(cutoff, 100);
        expect(expected).toMatchObject(pruned);
        return pruned;
      };
      expect(await prune()).toEqual({ links: 0, layers: 0, packs: 0, deltas: 0, ostreeDeltas: 0 });
      await repositories.deleteManifest(REPO, named('a manifest'));
      const digests = ['a', 'a index', 'a pack', 'b', 'b index', 'b pack'].map(named);
      const dead = new Set(digests.slice(0, 2));
      const alive = new Set(digests.slice(2));
      expect(await gc.reachable(digests, cutoff)).toEqual(alive);
      expect(await prune()).toEqual({ links: 1, layers: 1, packs: 0, deltas: 0, ostreeDeltas: 0 });
      expect(await layers.get(named('a'))).toBeUndefined();
      expect(await layers.findChunks([named('a chunk')])).toHaveLength(1);
      expect(await gc.condemn(digests, cutoff, clock.nowMs + 1)).toEqual(dead);
      await repositories.deleteManifest(REPO, named('b manifest'));
      expect(await prune()).toEqual({ links: 1, layers: 1, packs: 2, deltas: 0, ostreeDeltas: 0 });
      expect(await layers.findChunks([named('a chunk'), named('b chunk')])).toEqual([]);
    });

    test('a chunk in packs of two layers is found until both are gone', async () => {
      const { catalog, clock } = await setup();
      const { repositories, layers, gc } = catalog;
      // Chunked side by side: neither found what the other brought.
      await pushLayer(catalog, 'a', [], 'shared');
      await pushLayer(catalog, 'b', [], 'shared');
      clock.nowMs += 2 * HOUR;
      for (const left of [['b'], []]) {
        const gone = left.length > 0 ? 'a' : 'b';
        await repositories.deleteManifest(REPO, named(`${gone} manifest`));
        expect(await gc.prune(cutoffAt(clock.nowMs), 100)).toMatchObject({ layers: 1, packs: 1 });
        const places = left.map((name) => chunk('shared', `${name} pack`));
        expect(await layers.findChunks([named('shared')])).toEqual(places);
      }
    });

    test('packs go a few at a time, since their chunks go along', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      for (const name of ['a', 'b', 'c']) await pushLayer(catalog, name);
      clock.nowMs += 2 * HOUR;
      for (const name of ['a', 'b', 'c']) {
        await repositories.deleteManifest(REPO, named(`${name} manifest`));
      }
      const cutoff = cutoffAt(clock.nowMs);
      expect(await gc.prune(cutoff, 8)).toMatchObject({ layers: 3, packs: 2 });
      expect(await gc.prune(cutoff, 8)).toMatchObject({ layers: 0, packs: 1 });
    });

    test('deltas keep their bytes while published and for an hour after', async () => {
      const { catalog, clock } = await setup();
      const { deltas, gc } = catalog;
      await deltas.ensure([pair('1', '2')], 0);
      const claim = await catalog.deltas.claim('w', 1000);
      if (claim === undefined) throw new Error('nothing to claim');
      await deltas.publish(claim.delta.id, claim.lease, deltaResult('d'));
      const alive = async () =>
        (await gc.reachable([named('d')], cutoffAt(clock.nowMs))).has(named('d'));
      clock.nowMs += 2 * HOUR;
      expect(await alive()).toBe(true);
      await deltas.retire([claim.delta.id]);
      clock.nowMs += HOUR - 1;
      expect(await alive()).toBe(true);
      clock.nowMs += 1;
      expect(await alive()).toBe(false);
      // Planned again: the old bytes may be offered to devices no more, but until now they were.
      await deltas.ensure([pair('1', '2')], clock.nowMs - HOUR);
      expect(await alive()).toBe(true);
    });

    test('rows of deltas go an hour after they were retired', async () => {
      const { catalog, clock } = await setup();
      const { deltas, gc } = catalog;
      await deltas.ensure([pair('1', '2'), pair('1', '3'), pair('2', '3')], 0);
      await deltas.retire([1, 2]);
      clock.nowMs += HOUR - 1;
      await deltas.retire([3]);
      expect((await gc.prunable(cutoffAt(clock.nowMs))).deltas).toBe(0);
      clock.nowMs += 1;
      const cutoff = cutoffAt(clock.nowMs);
      expect((await gc.prunable(cutoff)).deltas).toBe(2);
      expect((await gc.prune(cutoff, 1)).deltas).toBe(1);
      expect((await gc.prune(cutoff, 9)).deltas).toBe(1);
      expect((await gc.prune(cutoff, 9)).deltas).toBe(0);
      expect(await deltas.list({ repo: REPO, limit: 9 })).toMatchObject([{ id: 3 }]);
      // A pair of before is planned as if it had never been.
      await deltas.ensure([pair('1', '2')], 0);
      expect((await deltas.counts()).pending).toBe(1);
    });
  });
}
