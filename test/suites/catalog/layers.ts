import { describe, expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { ChunkedLayer, ChunkRow } from '../../../storage/catalog/layer-catalog.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { named } from './names.ts';

const TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

export function chunk(text: string, pack: string, offset = 0): ChunkRow {
  return { digest: named(text), pack: named(pack), offset, length: 10, rawLength: 20 };
}

export function chunkedLayer(name: string, chunks: readonly ChunkRow[], packs?: readonly string[]) {
  const pack = `${name} pack`;
  const result: ChunkedLayer = {
    diffId: named(`${name} tar`),
    rawSize: 1000,
    index: { digest: named(`${name} index`), size: 50 },
    ...(chunks.length > 0 && { pack: { digest: named(pack), size: 500 } }),
    newChunks: chunks,
    packs: (packs ?? [pack]).map(named),
  };
  return result;
}

async function claimOne(catalog: Catalog, owner = 'w1') {
  const claim = await catalog.layers.claim(owner, 1000);
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

export function layerSuite(setup: CatalogUnderTest): void {
  describe('layers', () => {
    test('from pending to chunked', async () => {
      const { layers } = (await setup()).catalog;
      const digest = named('blob');
      expect(await layers.counts()).toEqual({ pending: 0, chunking: 0, chunked: 0, opaque: 0 });
      await layers.ensure(digest, TYPE);
      await layers.ensure(digest, 'another type');
      expect(await layers.get(digest)).toEqual({ digest, mediaType: TYPE, state: 'pending' });
      const claim = await layers.claim('w1', 1000);
      expect(claim?.layer).toMatchObject({ digest, state: 'chunking' });
      expect(await layers.claim('w2', 1000)).toBeUndefined();
      if (claim === undefined) return;
      const result = chunkedLayer('a', [chunk('c1', 'a pack'), chunk('c2', 'a pack', 10)]);
      await layers.finish(digest, claim.lease, result);
      const row = {
        digest,
        mediaType: TYPE,
        state: 'chunked',
        diffId: result.diffId,
        rawSize: 1000,
        index: result.index,
      };
      expect(await layers.get(digest)).toEqual(row);
      expect(await layers.byDiffId(result.diffId)).toEqual(row);
      expect(await layers.byDiffId(named('else'))).toBeUndefined();
      expect(await layers.counts()).toMatchObject({ pending: 0, chunked: 1 });
      await layers.ensure(digest, TYPE);
      expect(await layers.get(digest)).toEqual(row);
    });

    test('a chunk that two layers bring lies in both packs', async () => {
      const { catalog } = await setup();
      const { layers } = catalog;
      for (const name of ['a', 'b']) {
        await layers.ensure(named(name), TYPE);
        const { layer, lease } = await claimOne(catalog);
        const chunks = [chunk('shared', `${name} pack`, 0), chunk(name, `${name} pack`, 10)];
        await layers.finish(layer.digest, lease, chunkedLayer(name, chunks));
      }
      const found = await layers.findChunks([named('shared'), named('b'), named('absent')]);
      const places = [chunk('shared', 'a pack', 0), chunk('shared', 'b pack', 0)];
      expect(found).toHaveLength(3);
      expect(found).toEqual(expect.arrayContaining([...places, chunk('b', 'b pack', 10)]));
    });

    test('a layer with very many chunks', async () => {
      const { catalog } = await setup();
      await catalog.layers.ensure(named('big'), TYPE);
      const { layer, lease } = await claimOne(catalog);
      const chunks = Array.from({ length: 1777 }, (_, n) => chunk(`c${n}`, 'big pack', n * 10));
      await catalog.layers.finish(layer.digest, lease, chunkedLayer('big', chunks));
      const found = await catalog.layers.findChunks(chunks.map((c) => c.digest));
      expect(found).toHaveLength(1777);
    });

    test('a layer of known chunks brings no pack', async () => {
      const { catalog } = await setup();
      const { layers } = catalog;
      await layers.ensure(named('a'), TYPE);
      const first = await claimOne(catalog);
      await layers.finish(named('a'), first.lease, chunkedLayer('a', [chunk('c', 'a pack')]));
      await layers.ensure(named('b'), TYPE);
      const second = await claimOne(catalog);
      await layers.finish(named('b'), second.lease, chunkedLayer('b', [], ['a pack']));
      expect(await layers.get(named('b'))).toMatchObject({ state: 'chunked' });
    });

    test('a layer that names a pack nobody knows is chunked anew', async () => {
      const { catalog } = await setup();
      const { layers } = catalog;
      await layers.ensure(named('a'), TYPE);
      const { lease } = await claimOne(catalog);
      const finish = layers.finish(named('a'), lease, chunkedLayer('a', [], ['collected pack']));
      await expect(finish).rejects.toMatchObject({ code: 'conflict' });
      expect(await layers.get(named('a'))).toMatchObject({ state: 'pending' });
    });

    test('a lease that ran out is taken over, and its holder gets conflict everywhere', async () => {
      const { catalog, clock } = await setup();
      const { layers } = catalog;
      const digest = named('a');
      await layers.ensure(digest, TYPE);
      const { lease } = await claimOne(catalog);
      await layers.renew(digest, lease, 5000);
      clock.nowMs += 4999;
      expect(await layers.claim('w2', 1000)).toBeUndefined();
      clock.nowMs += 1;
      const taken = await claimOne(catalog, 'w2');
      expect(taken.lease.fence).toBeGreaterThan(lease.fence);
      const result = chunkedLayer('a', [chunk('c', 'a pack')]);
      for (const late of [
        () => layers.renew(digest, lease, 1000),
        () => layers.finish(digest, lease, result),
        () => layers.refuse(digest, lease, 'no'),
        () => layers.release(digest, lease),
      ]) {
        await expect(late()).rejects.toMatchObject({ code: 'conflict' });
      }
      expect(await layers.findChunks([named('c')])).toEqual([]);
      await layers.finish(digest, taken.lease, result);
      const twice = layers.finish(digest, taken.lease, result);
      await expect(twice).rejects.toMatchObject({ code: 'conflict' });
    });

    test('released layers are pending, refused ones opaque with a reason', async () => {
      const { catalog, clock } = await setup();
      const { layers } = catalog;
      await layers.ensure(named('a'), TYPE);
      await layers.ensure(named('b'), TYPE);
      const first = await claimOne(catalog);
      clock.nowMs += 1;
      await layers.release(first.layer.digest, first.lease);
      const other = await claimOne(catalog);
      expect(other.layer.digest).not.toBe(first.layer.digest);
      await layers.refuse(other.layer.digest, other.lease, 'not a tar');
      expect(await layers.get(other.layer.digest)).toMatchObject({
        state: 'opaque',
        reason: 'not a tar',
      });
      const again = await claimOne(catalog);
      expect(again.layer.digest).toBe(first.layer.digest);
      expect(again.lease.fence).toBe(first.lease.fence + 1);
      expect(await catalog.layers.counts()).toMatchObject({ chunking: 1, opaque: 1, pending: 0 });
    });
  });
}
