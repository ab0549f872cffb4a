import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { blobKey, parseObjectKey } from '../../storage/keys.ts';
import { parseTag } from '../../storage/names.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { REPO } from '../suites/catalog/names.ts';
import { DRIVERS, StoreWorld } from './store-world.ts';

const of = (text: string): Digest => digestOf(Buffer.from(text));

function check(world: StoreWorld, quick = false, objects: ObjectStore = world.objects) {
  return checkStore({ objects, catalog: world.catalog, quick });
}

async function fullWorld(driver: (typeof DRIVERS)[number]): Promise<StoreWorld> {
  const world = await StoreWorld.open(driver);
  await world.pushImage('image', ['layer', 'base']);
  await world.chunkLayer('layer');
  await world.publishDelta('delta');
  return world;
}

function pathOf(world: StoreWorld, text: string): string {
  const path = world.objects.filePath?.(blobKey(of(text)));
  if (path === undefined) throw new Error('the driver keeps no files');
  return path;
}

const TAG = `tag ${REPO}:stable`;
/** Every blob of the world, and what stops working without it. */
const AFFECTED: Readonly<Record<string, string>> = {
  image: TAG,
  'image config': TAG,
  layer: TAG,
  base: TAG,
  'layer pack': `${TAG}, layer ${of('layer')}`,
  'layer index': `${TAG}, layer ${of('layer')}`,
  delta: `delta 1 of ${REPO}:stable for linux/amd64`,
};

describe.each(DRIVERS)('fsck on %s', (driver) => {
  test('a whole store has no fault', async () => {
    const world = await fullWorld(driver);
    const bytes = Object.keys(AFFECTED).join('').length;
    for (const quick of [false, true]) {
      const report = await check(world, quick);
      expect(report).toEqual({
        objects: 7,
        bytes,
        rows: 7,
        ostreeObjects: 0,
        ostreeRefs: 0,
        faults: [],
        absent: [],
        truncated: false,
      });
    }
  });

  test.each(Object.entries(AFFECTED))('without %s: found and named', async (text, affects) => {
    const world = await fullWorld(driver);
    await world.blobs.delete(of(text));
    for (const quick of [false, true]) {
      const { faults } = await check(world, quick);
      expect(faults).toEqual([{ kind: 'missing', subject: of(text), affects }]);
    }
  });

  test('what a sparse manifest names and never came is told apart from damage', async () => {
    const world = await fullWorld(driver);
    const { catalog, blobs } = world;
    const sparse = Buffer.from('sparse index');
    const { digest, size } = await blobs.putBytes(sparse);
    const children = [{ digest: of('never pushed'), kind: 'manifest' as const }];
    const row = { digest, size, mediaType: 'application/vnd.oci.image.index.v1+json' };
    await catalog.repositories.putManifest(REPO, row, children, parseTag('sparse'));
    const { faults, absent } = await check(world);
    expect(faults).toEqual([]);
    expect(absent).toEqual([{ digest: of('never pushed'), affects: `tag ${REPO}:sparse` }]);
  });

  test('bytes under another digest are corrupt', async () => {
    const world = await fullWorld(driver);
    await world.blobs.delete(of('layer'));
    await world.objects.put(blobKey(of('layer')), [Buffer.from('lazer')]);
    const { faults } = await check(world);
    expect(faults).toEqual([{ kind: 'corrupt', subject: of('layer'), affects: TAG }]);
    expect((await check(world, true)).faults).toEqual([]);
  });

  test('another length is found without reading', async () => {
    const world = await fullWorld(driver);
    await world.blobs.delete(of('layer'));
    await world.objects.put(blobKey(of('layer')), [Buffer.from('laye')]);
    const { faults } = await check(world, true);
    expect(faults).toEqual([{ kind: 'wrong_size', subject: of('layer'), affects: TAG }]);
  });

  test('a corrupt blob that nothing names, and one in the wrong folder', async () => {
    const world = await fullWorld(driver);
    await world.objects.put(blobKey(of('expected')), [Buffer.from('other')]);
    const stray = parseObjectKey(blobKey(of('x')).replace(/\/..\//, '/00/'));
    await world.objects.put(stray, [Buffer.from('x')]);
    const { faults } = await check(world);
    expect(faults).toHaveLength(2);
    expect(faults).toContainEqual({
      kind: 'corrupt',
      subject: of('expected'),
      affects: 'nothing that is named',
    });
    expect(faults).toContainEqual({
      kind: 'misplaced',
      subject: stray,
      affects: 'nothing reads it',
    });
  });

  test('a blob that cannot be read is named, and the rest still checked', async () => {
    const world = await fullWorld(driver);
    await world.blobs.delete(of('base'));
    const inner = world.objects;
    const broken: ObjectStore = {
      name: inner.name,
      put: (...args) => inner.put(...args),
      stat: (...args) => inner.stat(...args),
      list: (...args) => inner.list(...args),
      delete: (...args) => inner.delete(...args),
      move: (...args) => inner.move(...args),
      open: (key, options) =>
        key === blobKey(of('layer'))
          ? Promise.reject(new StorageError('unavailable', 'EIO'))
          : inner.open(key, options),
    };
    const { faults } = await check(world, false, broken);
    expect(faults.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['unreadable', of('layer')],
      ['missing', of('base')],
    ]);
  });

  test('a signal ends it', async () => {
    const world = await fullWorld(driver);
    const { objects, catalog } = world;
    const checked = checkStore({ objects, catalog, quick: true, signal: AbortSignal.abort() });
    await expect(checked).rejects.toMatchObject({ code: 'aborted' });
  });
});

test('one flipped bit on the disk is found', async () => {
  const world = await fullWorld('fs');
  const path = pathOf(world, 'layer pack');
  const bytes = await readFile(path);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  await rm(path);
  await writeFile(path, bytes);
  const { faults } = await check(world);
  expect(faults).toEqual([
    { kind: 'corrupt', subject: of('layer pack'), affects: AFFECTED['layer pack'] },
  ]);
});
