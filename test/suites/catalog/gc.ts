import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { GcCutoff } from '../../../storage/catalog/gc-catalog.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { manifest, named, OTHER, REPO, STABLE } from './names.ts';
import { pair } from './pairs.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

function cutoffAt(nowMs: number): GcCutoff {
  return {
    unnamedBeforeMs: nowMs - HOUR,
    retiredBeforeMs: nowMs - HOUR,
    keptCommits: 10,
    liveSinceMs: nowMs - HOUR,
  };
}

const layerOf = (text: string) => ({ digest: named(text), kind: 'layer' as const });

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

  describe('gc: condemned blobs', () => {
    test('what a row names is not condemned', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      await repositories.linkBlob(REPO, named('linked'), 1);
      await repositories.putManifest(REPO, manifest('m'), [layerOf('child')], STABLE);
      const digests = ['linked', 'm', 'child', 'orphan'].map(named);
      const condemned = await gc.condemn(digests, cutoffAt(clock.nowMs), clock.nowMs + HOUR);
      expect([...condemned]).toEqual([named('orphan')]);
    });

    test('while condemned a blob cannot be named; the condemnation of a dead collector ends', async () => {
      const { catalog, clock } = await setup();
      const { repositories, layers, deltas, gc } = catalog;
      const cutoff = cutoffAt(clock.nowMs);
      await layers.ensure(named('l'), 'tar');
      const layer = await layers.claim('w', HOUR);
      await deltas.ensure([pair('1', '2')], 0);
      const delta = await deltas.claim('w', HOUR);
      if (layer === undefined || delta === undefined) throw new Error('nothing to claim');
      const digests = ['blob', 'a pack', 'd'].map(named);
      expect((await gc.condemn(digests, cutoff, clock.nowMs + 1000)).size).toBe(3);
      expect((await gc.condemn(digests, cutoff, clock.nowMs + 1000)).size).toBe(0);
      const attempts = [
        () => repositories.linkBlob(REPO, named('blob'), 1),
        () => repositories.putManifest(REPO, manifest('m'), [layerOf('blob')]),
        () => repositories.putManifest(REPO, manifest('blob'), []),
        () => layers.finish(named('l'), layer.lease, chunkedLayer('a', [chunk('c', 'a pack')])),
        () => deltas.publish(delta.delta.id, delta.lease, deltaResult('d')),
      ];
      for (const attempt of attempts) {
        await expect(attempt()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      }
      clock.nowMs += 1000;
      for (const attempt of attempts) await attempt();
    });

    test('nor do repairs name a pack that is being removed', async () => {
      const { catalog, clock } = await setup();
      const { repair } = catalog.audit;
      const to = { digest: named('pack'), size: 1 };
      await catalog.gc.condemn([to.digest], cutoffAt(clock.nowMs), clock.nowMs + 1000);
      const attempts = [
        () => repair.restorePack(to.digest, to.size),
        () => repair.moveChunks({ from: named('lost'), to, chunks: [chunk('c', 'pack')] }),
      ];
      for (const attempt of attempts) {
        await expect(attempt()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      }
      clock.nowMs += 1000;
      for (const attempt of attempts) await attempt();
      expect(await catalog.layers.findChunks([named('c')])).toEqual([chunk('c', 'pack')]);
    });

    test('a removed blob is remembered until it is stored anew and linked again', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      const blob = named('blob');
      const untilMs = clock.nowMs + 1000;
      await gc.condemn([blob], cutoffAt(clock.nowMs), untilMs);
      await gc.settle([blob], [], untilMs, clock.nowMs + HOUR);
      const push = () => repositories.putManifest(REPO, manifest('m'), [layerOf('blob')]);
      const refused = { code: 'unavailable' };
      await expect(push()).rejects.toMatchObject(refused);
      // Found there before the collector removed it: mounted, or touched by a push.
      await expect(repositories.linkBlob(REPO, blob, 1)).rejects.toMatchObject(refused);
      await expect(repositories.putManifest(REPO, manifest('blob'), [])).rejects.toMatchObject(
        refused,
      );
      await repositories.linkBlob(REPO, blob, 1, { created: true });
      await push();
      await repositories.linkBlob(OTHER, blob, 1);
    });

    test('what one collector has removed, another neither takes over nor forgets', async () => {
      const { catalog, clock } = await setup();
      const { gc } = catalog;
      const blob = named('blob');
      const cutoff = cutoffAt(clock.nowMs);
      const untilMs = clock.nowMs + 1000;
      expect((await gc.condemn([blob], cutoff, untilMs)).size).toBe(1);
      await gc.settle([blob], [], untilMs, clock.nowMs + HOUR);
      // The other one listed the blob before it went.
      expect((await gc.condemn([blob], cutoff, untilMs + 1)).size).toBe(0);
      await gc.settle([], [blob], untilMs + 1, clock.nowMs + HOUR);
      const link = () => catalog.repositories.linkBlob(REPO, blob, 1);
      await expect(link()).rejects.toMatchObject({ code: 'unavailable' });
      clock.nowMs += HOUR;
      expect((await gc.condemn([blob], cutoff, clock.nowMs + 1000)).size).toBe(1);
    });

    test('a link pruned moments ago is remembered when a collector spares the blob', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      await repositories.linkBlob(REPO, named('layer'), 1);
      clock.nowMs += 2 * HOUR;
      const cutoff = cutoffAt(clock.nowMs);
      expect((await gc.prune(cutoff, 9)).links).toBe(1);
      const untilMs = clock.nowMs + 1000;
      expect((await gc.condemn([named('layer')], cutoff, untilMs)).size).toBe(1);
      await gc.settle([], [named('layer')], untilMs, clock.nowMs + 1000);
      const put = () => repositories.putManifest(REPO, manifest('m'), [layerOf('layer')]);
      await expect(put()).rejects.toMatchObject({ code: 'unavailable' });
      await repositories.linkBlob(REPO, named('layer'), 1);
      await put();
    });

    test('a collector that hung ends no condemnation of its successor', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      const blob = named('blob');
      const first = clock.nowMs + 1000;
      await gc.condemn([blob], cutoffAt(clock.nowMs), first);
      clock.nowMs = first;
      const second = clock.nowMs + 1000;
      expect((await gc.condemn([blob], cutoffAt(clock.nowMs), second)).size).toBe(1);
      await gc.settle([], [blob], first, clock.nowMs);
      const link = () => repositories.linkBlob(REPO, blob, 1, { created: true });
      await expect(link()).rejects.toMatchObject({ code: 'unavailable' });
      await gc.settle([], [blob], second, clock.nowMs);
      await link();
    });

    test('a kept blob can be named at once, by a manifest where it is linked', async () => {
      const { catalog, clock } = await setup();
      const { repositories, gc } = catalog;
      const blob = named('blob');
      const untilMs = clock.nowMs + HOUR;
      await gc.condemn([blob], cutoffAt(clock.nowMs), untilMs);
      await gc.settle([], [blob], untilMs, untilMs);
      await repositories.linkBlob(OTHER, blob, 1);
      await repositories.putManifest(OTHER, manifest('m'), [layerOf('blob')]);
      const sparse = () => repositories.putManifest(REPO, manifest('m'), [layerOf('blob')]);
      await expect(sparse()).rejects.toMatchObject({ code: 'unavailable' });
      clock.nowMs = untilMs;
      await sparse();
    });
  });

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
