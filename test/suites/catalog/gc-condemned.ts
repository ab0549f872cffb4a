import { describe, expect, test } from 'vitest';

import type { CatalogUnderTest } from '../catalog.ts';
import { deltaResult } from './deltas.ts';
import { cutoffAt, layerOf } from './gc.ts';
import { chunk, chunkedLayer } from './layers.ts';
import { manifest, named, OTHER, REPO, STABLE } from './names.ts';
import { pair } from './pairs.ts';

const HOUR = 3_600_000;

export function gcCondemnedSuite(setup: CatalogUnderTest): void {
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
}
