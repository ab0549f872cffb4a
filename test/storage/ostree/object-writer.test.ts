import { createCipheriv } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { StorageError } from '../../../storage/errors.ts';
import { blobKey } from '../../../storage/keys.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { OTHER, REPO } from '../../suites/catalog/names.ts';
import { noise, text } from '../chunk/material.ts';
import { DRIVERS } from '../store-world.ts';
import { dirtree, file, forged, incoming, smallCommit, type MadeObject } from './objects.ts';
import { OstreeWorld } from './ostree-world.ts';

const FORGED = new StorageError('digest_mismatch', 'another file');

async function* oneByOne(
  ...parts: readonly (MadeObject | IncomingObject)[]
): AsyncGenerator<IncomingObject, void, undefined> {
  for (const part of parts) {
    if (Buffer.isBuffer(part.content)) yield* incoming([part as MadeObject]);
    else yield part as IncomingObject;
  }
}

describe.each(DRIVERS)('writing objects on %s', (driver) => {
  test('what was written is read back, headers and sizes too', async () => {
    const world = await OstreeWorld.open(driver);
    const files = [file(''), file('hi\n'), file(noise(700_000, 'big')), file(text(9000, 't'))];
    const objects = smallCommit('one', files);
    const report = await world.write(objects);
    const packs = await world.packsOf(objects);
    expect(packs).toHaveLength(1);
    const sizes = await world.blobSizes();
    expect([...sizes.values()]).toEqual([report.packBytes]);
    expect(report.objects).toBe(objects.length);
    for (const object of objects) {
      const { ostree } = world.store.catalog;
      expect(await ostree.object(REPO, object.name)).toEqual({
        size: object.content.length,
        ...(object.header !== undefined && { header: object.header }),
      });
      expect((await world.read(object)).equals(object.content)).toBe(true);
    }
    expect(await readdir(world.scratch)).toEqual([]);
  });

  test('objects written again bring no bytes', async () => {
    const world = await OstreeWorld.open(driver);
    const objects = smallCommit('one', [file(noise(300_000, 'a')), file(noise(300_000, 'b'))]);
    await world.write(objects);
    const before = await world.blobSizes();
    expect(await world.write(objects)).toEqual({ objects: objects.length, packBytes: 0 });
    expect(await world.write(objects, OTHER)).toEqual({ objects: objects.length, packBytes: 0 });
    expect(await world.blobSizes()).toEqual(before);
  });

  test('a forged object leaves nothing, what came before it is kept', async () => {
    const world = await OstreeWorld.open(driver);
    const good = file(noise(200_000, 'good'));
    const later = file('later');
    // Large enough that most of it is in the pack before its end shows what it is.
    const bad = file(noise(8_000_000, 'bad'));
    const written = writeObjects(oneByOne(good, forged(bad, FORGED), later), world.options());
    await expect(written).rejects.toBe(FORGED);
    const { ostree, layers } = world.store.catalog;
    expect((await world.read(good)).equals(good.content)).toBe(true);
    expect(await ostree.object(REPO, bad.name)).toBeUndefined();
    expect(await ostree.object(REPO, later.name)).toBeUndefined();
    expect(await ostree.chunksOf(bad.name)).toEqual([]);
    const sizes = [...(await world.blobSizes()).values()];
    expect(sizes).toHaveLength(1);
    expect(sizes[0]).toBeLessThan(201_000);
    // The pack is what its rows say: the next chunks follow where the forged ones were cut off.
    const chunks = await ostree.chunksOf(good.name);
    expect(await layers.findChunks(chunks.map((chunk) => chunk.digest))).toHaveLength(
      chunks.length,
    );
    expect(await readdir(world.scratch)).toEqual([]);
  });

  test('after a forged object was cut out, others still share its chunks', async () => {
    const world = await OstreeWorld.open(driver);
    const content = noise(8_000_000, 'same');
    const first = file(noise(100_000, 'first'));
    const bad = file(content, '0600');
    const source = oneByOne(first, forged(bad, FORGED));
    await expect(writeObjects(source, world.options())).rejects.toBe(FORGED);
    const good = file(content, '0644');
    await world.write([good, file(content, '0755')]);
    expect((await world.read(good)).equals(content)).toBe(true);
  });

  test.each([
    ['shorter', 9, 10],
    ['longer', 11, 10],
  ])('a content %s than its size is refused', async (_what, bytes, size) => {
    const world = await OstreeWorld.open(driver);
    const object = file(Buffer.alloc(bytes, 1));
    async function* lying(): AsyncGenerator<IncomingObject, void, undefined> {
      for await (const one of incoming([object])) yield { ...one, size };
    }
    await expect(writeObjects(lying(), world.options())).rejects.toMatchObject({
      code: 'size_mismatch',
    });
    expect(await world.store.catalog.ostree.object(REPO, object.name)).toBeUndefined();
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 40])('a size of %d is refused unread', async (size) => {
    const world = await OstreeWorld.open(driver);
    async function* lying(): AsyncGenerator<IncomingObject, void, undefined> {
      for await (const one of incoming([file('x')])) yield { ...one, size };
    }
    await expect(writeObjects(lying(), world.options())).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  test('a signal ends it; what was recorded stays', async () => {
    const world = await OstreeWorld.open(driver);
    const controller = new AbortController();
    async function* aborting(): AsyncGenerator<IncomingObject, void, undefined> {
      yield* incoming([file('a')]);
      controller.abort();
      yield* incoming([file('b')]);
    }
    const options = { ...world.options(), signal: controller.signal };
    await expect(writeObjects(aborting(), options)).rejects.toMatchObject({ code: 'aborted' });
    expect(await world.blobSizes()).toEqual(new Map());
    expect(await readdir(world.scratch)).toEqual([]);
  });
});

describe('batches', () => {
  test('end with the object that takes the pack past 64 MiB', async () => {
    const world = await OstreeWorld.open();
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
    // Chunks of one look-up, at most 16 MiB, may be on their way to the pack.
    const large = cipher.update(Buffer.alloc(80 * 1024 * 1024));
    const files = [file('first'), file(large), file('next')];
    const report = await world.write(files);
    expect(report.objects).toBe(3);
    const sizes = [...(await world.blobSizes()).values()].toSorted((a, b) => a - b);
    expect(sizes).toHaveLength(2);
    expect(sizes[0]).toBeLessThan(100);
    expect((await world.packsOf(files.slice(0, 2))).length).toBe(1);
  });

  test('end after 4096 objects', async () => {
    const world = await OstreeWorld.open();
    const files = Array.from({ length: 5000 }, (_, n) => file(`file ${n}`));
    await world.write(files);
    expect(await world.blobSizes()).toHaveProperty('size', 2);
    expect((await world.packsOf(files.slice(0, 4096))).length).toBe(1);
    const tree = dirtree(files);
    await world.write([tree]);
    expect((await world.read(tree)).equals(tree.content)).toBe(true);
  });
});

test('whatever is written in whatever pieces is read back', async () => {
  const world = await OstreeWorld.open();
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 0, max: 600_000 }).map((size) => noise(size, 'n')),
    fc.integer({ min: 1, max: 400 }).map((lines) => text(lines, 'l')),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(content, { maxLength: 12 }),
      fc.integer({ min: 1, max: 100_000 }),
      async (contents, piece) => {
        const files = contents.map((bytes, n) => file(bytes, String(n)));
        await writeObjects(incoming(files, Math.max(piece, 100)), world.options());
        for (const one of files) {
          expect((await world.read(one)).equals(one.content)).toBe(true);
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('a fault of the store or the catalog is passed on, and nothing is recorded', async () => {
  const world = await OstreeWorld.open();
  const { catalog, blobs } = world.store;
  const fault = new StorageError('unavailable', 'the database is gone');
  const layers = Object.create(catalog.layers, {
    findChunks: { value: () => Promise.reject(fault) },
  }) as typeof catalog.layers;
  const object = file('content');
  const options = { ...world.options(), catalog: { layers, ostree: catalog.ostree } };
  await expect(writeObjects(incoming([object]), options)).rejects.toBe(fault);
  expect(await catalog.ostree.object(REPO, object.name)).toBeUndefined();
  const objects = Object.create(blobs.objects, {
    put: { value: () => Promise.reject(fault) },
  }) as typeof blobs.objects;
  const broken = Object.create(blobs, { objects: { value: objects } }) as typeof blobs;
  const failing = writeObjects(incoming([object]), { ...world.options(), blobs: broken });
  await expect(failing).rejects.toBe(fault);
  expect(await catalog.ostree.object(REPO, object.name)).toBeUndefined();
  await world.write([object]);
  const [pack] = await world.packsOf([object]);
  if (pack === undefined) throw new Error('no pack');
  expect(await blobs.objects.stat(blobKey(pack))).toBeDefined();
});
