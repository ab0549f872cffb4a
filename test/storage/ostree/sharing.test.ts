import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { missingObjects } from '../../../storage/ostree/missing-objects.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { noise, tar } from '../chunk/material.ts';
import { DRIVERS } from '../store-world.ts';
import { file, smallCommit } from './objects.ts';
import { OstreeWorld } from './ostree-world.ts';

describe.each(DRIVERS)('objects that share bytes on %s', (driver) => {
  test('two writers push the same objects at once', async () => {
    const world = await OstreeWorld.open(driver);
    const files = Array.from({ length: 30 }, (_, n) => file(noise(40_000 + n, `f${n}`)));
    const objects = smallCommit('one', files);
    const orders = [objects, [...objects].reverse(), objects];
    await Promise.all(orders.map((order) => world.write(order)));
    for (const object of objects) {
      expect((await world.read(object)).equals(object.content)).toBe(true);
    }
    const { ostree } = world.store.catalog;
    expect(await ostree.closureGaps(REPO, objects[0].name.checksum, 10)).toEqual([]);
  });

  test('a lost pack: its objects count as missing, and pushing them again heals', async () => {
    const world = await OstreeWorld.open(driver);
    const { blobs, catalog } = world.store;
    const shared = noise(150_000, 'shared');
    const first = smallCommit('one', [file(shared), file(noise(90_000, 'one'))]);
    await world.push(first);
    const second = smallCommit('two', [file(shared), file(noise(90_000, 'two'))], first[0]);
    await world.push(second);
    const all = new Map([...first, ...second].map((object) => [object.name.checksum, object]));
    const names = [...all.values()].map(({ name }) => name);
    const store = { blobs, catalog };
    expect(await missingObjects(store, REPO, names)).toEqual([]);
    const [lost] = await world.packsOf(first);
    if (lost === undefined) throw new Error('no pack');
    await blobs.delete(lost);
    await expect(world.read(first[3] ?? first[0])).rejects.toMatchObject({ code: 'missing' });
    const missing = await missingObjects(store, REPO, names);
    expect(missing).toEqual(first.map(({ name }) => name));
    // Pushed again with something else, so that the pack is another one.
    const again = missing.flatMap(({ checksum }) => all.get(checksum) ?? []);
    await world.write([file('more'), ...again]);
    for (const object of all.values()) {
      expect((await world.read(object)).equals(object.content)).toBe(true);
    }
    expect(await missingObjects(store, REPO, names)).toEqual([]);
    expect(await world.packsOf([...all.values()])).not.toContain(lost);
    // What lay in the lost pack is found in the new one as well.
    const chunks = await catalog.ostree.chunksOf((first[3] ?? first[0]).name);
    const found = await catalog.layers.findChunks(chunks.map((chunk) => chunk.digest));
    const elsewhere = found.filter(({ pack }) => pack !== lost).map(({ digest }) => digest);
    expect(new Set(elsewhere)).toEqual(new Set(chunks.map(({ digest }) => digest)));
  });

  test('a chunk of an image layer is not stored again, nor the other way round', async () => {
    const world = await OstreeWorld.open(driver);
    const { blobs, catalog } = world.store;
    // In a tar a chunk of this file begins at a cut point of its own, so most are the same chunks.
    const content = noise(4_000_000, 'library');
    const { digest } = await blobs.putBytes(gzipSync(tar({ 'usr/lib/big.so': content })));
    await catalog.layers.ensure(digest, 'tar');
    const claim = await catalog.layers.claim('w', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    const { scratch } = world;
    const layer = await ingestLayer({ blobs, layers: catalog.layers, digest, scratch });
    await catalog.layers.finish(digest, claim.lease, layer);
    const { packBytes } = await world.write([file(content)]);
    expect(packBytes).toBeLessThan(content.length / 10);
    expect((await world.read(file(content))).equals(content)).toBe(true);
    const other = noise(4_000_000, 'another');
    const object = await world.write([file(other)]);
    expect(object.packBytes).toBeGreaterThan(other.length);
    const second = await blobs.putBytes(tar({ 'usr/lib/other.so': other }));
    const late = await ingestLayer({
      ...{ blobs, layers: catalog.layers, scratch },
      digest: second.digest,
    });
    expect(late.pack?.size).toBeLessThan(other.length / 10);
  });
});
