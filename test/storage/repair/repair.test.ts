import { describe, expect, test } from 'vitest';

import { readBlob } from '../../../storage/blob-store.ts';
import { isDigest, type Digest } from '../../../storage/digest.ts';
import { blobKey, parseObjectKey } from '../../../storage/keys.ts';
import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { missingObjects } from '../../../storage/ostree/missing-objects.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { DRIVERS } from '../store-world.ts';
import { chunkPending, RepairWorld } from './repair-world.ts';

const DAMAGE = ['lost', 'flip', 'cut'] as const;
const DAMAGE_ON = { memory: DAMAGE, fs: ['flip'] } as const;

async function spoil(world: RepairWorld, digest: Digest, how: (typeof DAMAGE)[number]) {
  if (how === 'lost') await world.world.store.blobs.delete(digest);
  else await world.damage(digest, how);
}

/** What quarantine holds, by the name of the blob that it was. */
async function quarantined(world: RepairWorld): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { key } of world.world.store.objects.list('quarantine/')) {
    names.push(key.split('/')[2] ?? '');
  }
  return names;
}

describe.each(DRIVERS)('repair on %s', (driver) => {
  test.each<(typeof DAMAGE)[number]>(DAMAGE_ON[driver])(
    '%s: what can be made again is made again, byte for byte',
    async (how) => {
      const world = await RepairWorld.open(driver);
      const { chunked, plain } = world;
      if (chunked.pack === undefined) throw new Error('no pack');
      const made = [chunked.pack.digest, chunked.index.digest, plain];
      for (const digest of made) await spoil(world, digest, how);
      const subjects = (await world.check()).map((fault) => fault.subject);
      expect([...new Set(subjects.filter(isDigest))].sort()).toEqual([...made].sort());

      const faults = await world.repair();
      expect(faults.map(({ repair }) => repair?.repaired)).toEqual(faults.map(() => true));
      for (const digest of made) await readBlob(world.world.store.blobs, digest, { maxBytes: 1e7 });
      expect(await world.check()).toEqual([]);
      expect(await quarantined(world)).toHaveLength(how === 'lost' ? 0 : made.length);
    },
  );

  test.each<(typeof DAMAGE)[number]>(DAMAGE_ON[driver])(
    '%s: what nobody has is put aside until it is pushed',
    async (how) => {
      const world = await RepairWorld.open(driver);
      const { blobs, catalog } = world.world.store;
      const gone = [world.layer, world.config, world.manifest] as const;
      const kept = await Promise.all(gone.map((d) => readBlob(blobs, d, { maxBytes: 1e7 })));
      for (const digest of gone) await spoil(world, digest, how);

      const faults = await world.repair();
      for (const digest of gone) {
        const fault = faults.find(({ subject }) => subject === digest);
        expect(fault?.repair).toMatchObject({ repaired: false });
        expect(fault?.repair?.did).toContain('push it again');
        expect(await blobs.stat(digest)).toBeUndefined();
      }
      expect(await quarantined(world)).toHaveLength(how === 'lost' ? 0 : gone.length);
      const left = await world.check();
      expect(left.map(({ kind }) => kind)).toEqual(['missing', 'missing', 'missing']);
      expect(left.map(({ subject }) => subject).sort()).toEqual([...gone].sort());

      for (const [n, bytes] of kept.entries()) {
        const digest = gone[n] ?? world.layer;
        const { size, created } = await blobs.put(digest, [bytes]);
        await catalog.repositories.linkBlob(REPO, digest, size, { created });
      }
      expect(await world.check()).toEqual([]);
    },
  );

  test('lost blobs come from elsewhere, and only if they are what they are called', async () => {
    const world = await RepairWorld.open(driver);
    const { blobs } = world.world.store;
    const bytes = await readBlob(blobs, world.config, { maxBytes: 100 });
    await blobs.delete(world.config);
    const lies = await world.repair({ elsewhere: () => Promise.resolve([Buffer.from('lies')]) });
    expect(lies.map(({ repair }) => repair?.repaired)).toEqual([false]);
    const helps = await world.repair({ elsewhere: () => Promise.resolve([bytes]) });
    expect(helps.map(({ repair }) => repair)).toEqual([{ repaired: true, did: 'fetched again' }]);
    expect(await world.check()).toEqual([]);
  });

  test('a damaged delta is built again', async () => {
    const world = await RepairWorld.open(driver);
    const { catalog } = world.world.store;
    const [row] = await catalog.deltas.list({ limit: 1 });
    if (row?.result === undefined) throw new Error('no delta');
    await world.damage(row.result.digest, 'flip', 0);
    const faults = await world.repair();
    expect(faults.map(({ repair }) => repair?.repaired)).toEqual([true]);
    expect(await catalog.deltas.get(row.id)).toMatchObject({ state: 'pending', attempts: 0 });
    expect(await world.check()).toEqual([]);
  });

  test('a layer whose pack cannot be made as it was is chunked again', async () => {
    const world = await RepairWorld.open(driver);
    const { blobs, catalog } = world.world.store;
    const { pack, newChunks } = world.chunked;
    if (pack === undefined) throw new Error('no pack');
    // Another layer brought a chunk of this one in the meantime: the pack made now would lack it.
    const [first] = newChunks;
    if (first === undefined) throw new Error('no chunk');
    const other = await catalog.layers.get(world.plain);
    const elsewhere = (await catalog.audit.repair.packsOfLayer(world.plain))[0];
    if (elsewhere === undefined || other === undefined) throw new Error('no other pack');
    await catalog.audit.repair.moveChunks({
      from: pack.digest,
      to: { digest: elsewhere, size: (await blobs.stat(elsewhere))?.size ?? 0 },
      chunks: [{ ...first, pack: elsewhere }],
    });
    await blobs.delete(pack.digest);
    const faults = await world.repair();
    expect(faults.every(({ repair }) => repair?.repaired === true)).toBe(true);
    expect(faults.find(({ subject }) => subject === pack.digest)?.repair?.did).toContain(
      'chunked again',
    );
    expect(await catalog.layers.get(world.layer)).toMatchObject({ state: 'pending' });
    expect(await world.check()).toEqual([]);
    await chunkPending(world.world);
  });

  test('a damaged pack of objects: only those that need the damaged chunk are pushed again', async () => {
    const world = await RepairWorld.open(driver);
    const { store } = world.world;
    const { catalog, blobs } = store;
    const big = world.commit.find(({ content }) => content.length === 900_000);
    if (big === undefined) throw new Error('no big file');
    const hurt = (await catalog.ostree.chunksOf(big.name))[3];
    if (hurt === undefined) throw new Error('no chunk');
    const pack = await world.ostreePack();
    await world.damage(pack, 'flip', hurt.offset + 50);
    const faults = await world.repair();
    expect(faults.map(({ subject, repair }) => [subject, repair?.repaired])).toEqual([
      [pack, true],
      [formatObjectName(big.name), false],
    ]);
    const names = world.commit.map(({ name }) => name);
    expect(await missingObjects(store, REPO, names)).toEqual([big.name]);
    for (const object of world.commit) {
      if (object !== big)
        expect((await world.world.read(object)).equals(object.content)).toBe(true);
    }
    expect((await world.check()).map(({ kind, subject }) => [kind, subject])).toEqual([
      ['missing', formatObjectName(big.name)],
    ]);
    expect(await quarantined(world)).toHaveLength(1);

    await world.world.write([big]);
    expect(await world.check()).toEqual([]);
    expect((await world.world.read(big)).equals(big.content)).toBe(true);
    expect(await blobs.stat(pack)).toBeUndefined();
  });

  test('a lost pack of objects: all of them are pushed again', async () => {
    const world = await RepairWorld.open(driver);
    const { store } = world.world;
    await store.blobs.delete(await world.ostreePack());
    expect((await world.repair()).map(({ repair }) => repair?.repaired)).toEqual([false]);
    const names = world.commit.map(({ name }) => name);
    expect(await missingObjects(store, REPO, names)).toEqual(names);
    await world.world.write(world.commit);
    for (const object of world.commit) {
      expect((await world.world.read(object)).equals(object.content)).toBe(true);
    }
    // The row of the lost pack is all that is left of it.
    const rest = await world.repair();
    expect(rest.map(({ repair }) => repair?.repaired)).toEqual(rest.map(() => true));
    expect(await world.check()).toEqual([]);
  });

  test('what lies under a wrong key, and damage that nothing names, is put aside', async () => {
    const world = await RepairWorld.open(driver);
    const { objects } = world.world.store;
    const stray = parseObjectKey(blobKey(world.config).replace(/\/..\//, '/zz/'));
    await objects.put(stray, [Buffer.from('x')]);
    const unnamed = `sha256:${'0'.repeat(64)}`;
    if (!isDigest(unnamed)) throw new Error('no digest');
    await objects.put(blobKey(unnamed), [Buffer.from('y')]);
    const stray2 = parseObjectKey(blobKey(world.config).replace(/\/..\//, '/00/'));
    await objects.put(stray2, [Buffer.from('x')]);
    const faults = await world.repair();
    expect(faults.map(({ kind, repair }) => [kind, repair?.repaired]).sort()).toEqual([
      ['corrupt', true],
      ['misplaced', true],
    ]);
    expect(await world.check()).toEqual([]);
    expect(await quarantined(world)).toHaveLength(2);
  });

  test('a quick repair mends what it finds', async () => {
    const world = await RepairWorld.open(driver);
    const { chunked, config } = world;
    await world.world.store.blobs.delete(chunked.index.digest);
    await world.damage(config, 'cut');
    const faults = await world.repair({ quick: true });
    const did = new Map(faults.map(({ subject, repair }) => [subject, repair?.repaired]));
    expect(did.get(chunked.index.digest)).toBe(true);
    expect(did.get(config)).toBe(false);
    expect((await world.check(true)).map(({ subject }) => subject)).toEqual([config]);
  });
});
