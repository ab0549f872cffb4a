import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { collectGarbage, type GcOptions, type GcReport } from '../../storage/gc/collect.ts';
import { uploadPartKey } from '../../storage/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { parseTag } from '../../storage/names.ts';
import { REPO, uploadId } from '../suites/catalog/names.ts';
import { DRIVERS, HOUR, StoreWorld } from './store-world.ts';

function collect(world: StoreWorld, variant: Partial<GcOptions> = {}): Promise<GcReport> {
  const { objects, catalog, clock } = world;
  return collectGarbage({ objects, catalog, clock, graceMs: HOUR, dryRun: false, ...variant });
}

/** The store with something that happens before an operation on a key. */
function hooked(
  objects: ObjectStore,
  hooks: { readonly listed?: () => Promise<void>; readonly stat?: () => Promise<void> },
): ObjectStore {
  return {
    ...objects,
    name: objects.name,
    put: (...args) => objects.put(...args),
    open: (...args) => objects.open(...args),
    move: (...args) => objects.move(...args),
    delete: (...args) => objects.delete(...args),
    async stat(...args) {
      const facts = await objects.stat(...args);
      await hooks.stat?.();
      return facts;
    },
    async *list(...args) {
      for await (const entry of objects.list(...args)) {
        await hooks.listed?.();
        yield entry;
      }
    },
  };
}

const noOstree = { ostreeLinks: 0, ostreeObjects: 0, ostreeDeltas: 0 };
const noRows = { links: 0, layers: 0, packs: 0, deltas: 0, ...noOstree };

describe.each(DRIVERS)('garbage collection on %s', (driver) => {
  test('keeps all that is reached, however old', async () => {
    const world = await StoreWorld.open(driver);
    await world.pushImage('image', ['layer', 'base']);
    await world.chunkLayer('layer');
    await world.publishDelta('delta');
    await world.catalog.uploads.create(uploadId(1), REPO);
    const part = uploadPartKey(uploadId(1), 0, '0'.repeat(16));
    await world.objects.put(part, [Buffer.from('part')]);
    await world.age();
    const progress: number[] = [];
    const report = await collect(world, { onProgress: (fraction) => progress.push(fraction) });
    expect(report).toMatchObject({
      removedBlobs: 0,
      removedBytes: 0,
      keptBlobs: 7,
      removedParts: 0,
      removedRows: noRows,
    });
    const texts = ['image', 'image config', 'layer', 'base', 'layer index', 'layer pack', 'delta'];
    expect(await world.stored(texts)).toEqual(texts);
    expect(await world.objects.stat(part)).toBeDefined();
    expect(progress.at(-1)).toBe(1);
  });

  /** Two images that share a layer and a pack; the first is deleted. */
  async function withGarbage(): Promise<StoreWorld> {
    const world = await StoreWorld.open(driver);
    const old = await world.pushImage('old', ['shared', 'old layer'], parseTag('old'));
    await world.pushImage('new', ['shared', 'new layer']);
    await world.chunkLayer('old layer');
    await world.chunkLayer('new layer', ['old layer']);
    await world.put('orphan');
    await world.pushBlob('never named');
    const part = uploadPartKey(uploadId(2), 0, 'a'.repeat(16));
    await world.objects.put(part, [Buffer.from('part')]);
    await world.catalog.deltas.retire([await world.publishDelta('retired')]);
    await world.age();
    await world.catalog.repositories.deleteManifest(REPO, old);
    return world;
  }
  const garbage = ['old', 'old config', 'old layer', 'old layer index', 'orphan', 'never named'];
  const dead = [...garbage, 'retired'];
  const alive = ['new', 'new config', 'new layer', 'shared', 'new layer index', 'new layer pack'];
  // The old layer's pack holds chunks that the new layer's index names.
  const living = [...alive, 'old layer pack'];
  const expected = {
    removedBlobs: dead.length,
    removedBytes: dead.join('').length,
    keptBlobs: living.length,
    keptBytes: living.join('').length,
    removedParts: 1,
    removedRows: { links: 3, layers: 1, packs: 0, deltas: 1, ...noOstree },
  };

  test('removes what nothing reaches and nothing else', async () => {
    const world = await withGarbage();
    expect(await collect(world)).toEqual(expected);
    expect(await world.stored([...dead, ...living])).toEqual(living);
    expect(await collect(world)).toMatchObject({ removedBlobs: 0, removedParts: 0 });
  });

  test('a dry run foretells exactly that and removes nothing', async () => {
    const world = await withGarbage();
    expect(await collect(world, { dryRun: true })).toEqual(expected);
    expect(await world.stored([...dead, ...living])).toEqual([...dead, ...living]);
    expect(await collect(world)).toEqual(expected);
  });

  test('the last layer of a pack takes it along', async () => {
    const world = await withGarbage();
    const image = digestOf(Buffer.from('new'));
    await world.catalog.repositories.deleteManifest(REPO, image);
    const report = await collect(world);
    expect(report.removedRows).toEqual({ ...noRows, links: 6, layers: 2, packs: 2, deltas: 1 });
    expect(report.keptBlobs).toBe(0);
    const chunks = ['old layer chunk', 'new layer chunk'].map((text) =>
      digestOf(Buffer.from(text)),
    );
    expect(await world.catalog.layers.findChunks(chunks)).toEqual([]);
  });

  test('the grace period spares what is young, named or not', async () => {
    const world = await StoreWorld.open(driver);
    await world.age();
    await world.put('orphan');
    await world.pushBlob('pushed');
    expect(await collect(world)).toMatchObject({ removedBlobs: 0, keptBlobs: 2 });
  });

  test('a delta retired within the hour stays even without grace', async () => {
    const world = await StoreWorld.open(driver);
    const id = await world.publishDelta('delta');
    await world.age();
    await world.catalog.deltas.retire([id]);
    await collect(world, { graceMs: 0 });
    expect(await world.stored(['delta'])).toEqual(['delta']);
  });

  test('a push between the listing and the sweep keeps its blobs', async () => {
    const world = await StoreWorld.open(driver);
    await world.put('layer');
    await world.age();
    let pushed = false;
    const listed = async () => {
      if (pushed) return;
      pushed = true;
      await world.pushImage('image', ['layer']);
    };
    await collect(world, { objects: hooked(world.objects, { listed }) });
    expect(pushed).toBe(true);
    expect(await world.stored(['image', 'layer'])).toEqual(['image', 'layer']);
  });

  test('a push of a blob that is being removed fails, and works when it is tried again', async () => {
    const world = await StoreWorld.open(driver);
    await world.put('layer');
    await world.age();
    let refused: unknown;
    const stat = async () => {
      refused ??= await world.pushBlob('layer').catch((error: unknown) => error);
    };
    const report = await collect(world, { objects: hooked(world.objects, { stat }) });
    expect(refused).toMatchObject({ code: 'unavailable' });
    expect(report.removedBlobs).toBe(1);
    await world.pushBlob('layer');
    expect(await world.stored(['layer'])).toEqual(['layer']);
  });

  test('a push that touches a blob after the last look at its age stores it anew', async () => {
    const world = await StoreWorld.open(driver);
    const digest = await world.put('layer');
    await world.age();
    let touched: Promise<{ readonly created: boolean }> | undefined;
    const stat = async () => {
      touched ??= world.blobs.put(digest, [Buffer.from('layer')]);
      await touched;
    };
    const report = await collect(world, { objects: hooked(world.objects, { stat }) });
    expect(report.removedBlobs).toBe(1);
    const { created } = (await touched) ?? {};
    expect(created).toBe(false);
    const { repositories } = world.catalog;
    await expect(repositories.linkBlob(REPO, digest, 5, { created })).rejects.toMatchObject({
      code: 'unavailable',
    });
    await world.pushBlob('layer');
    expect(await world.stored(['layer'])).toEqual(['layer']);
  });

  test('a blob that is stored again before its removal is left alone', async () => {
    const world = await StoreWorld.open(driver);
    await world.put('layer');
    await world.age();
    // As a push does whose bytes are all there before the collector looks at the age again.
    const { gc } = world.catalog;
    const catalog = Object.create(world.catalog, {
      gc: {
        value: {
          prune: (...args: Parameters<typeof gc.prune>) => gc.prune(...args),
          pruneOstreeLinks: (...args: Parameters<typeof gc.pruneOstreeLinks>) =>
            gc.pruneOstreeLinks(...args),
          pruneOstreeObjects: (...args: Parameters<typeof gc.pruneOstreeObjects>) =>
            gc.pruneOstreeObjects(...args),
          settle: (...args: Parameters<typeof gc.settle>) => gc.settle(...args),
          async condemn(...args: Parameters<typeof gc.condemn>) {
            const condemned = await gc.condemn(...args);
            await world.put('layer');
            return condemned;
          },
        },
      },
    }) as typeof world.catalog;
    const report = await collect(world, { catalog });
    expect(report.removedBlobs).toBe(0);
    await world.pushBlob('layer');
  });

  test('two collectors at once', async () => {
    const world = await withGarbage();
    const reports = await Promise.all([collect(world), collect(world)]);
    const removed = reports.reduce((sum, report) => sum + report.removedBlobs, 0);
    expect(removed).toBe(dead.length);
    expect(await world.stored([...dead, ...living])).toEqual(living);
  });

  test('a store that fails in mid-sweep leaves nothing condemned', async () => {
    const world = await StoreWorld.open(driver);
    await world.put('layer');
    await world.age();
    const stat = () => Promise.reject(new Error('the store went away'));
    const sweep = collect(world, { objects: hooked(world.objects, { stat }) });
    await expect(sweep).rejects.toThrow('the store went away');
    await world.pushBlob('layer');
  });

  test('a signal ends it between two steps', async () => {
    const world = await withGarbage();
    const signal = AbortSignal.abort();
    await expect(collect(world, { signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(await world.stored(dead)).toEqual(dead);
  });
});

test('whatever is pushed and deleted: the reached stay, all else goes', async () => {
  const layers = ['a', 'b', 'c', 'd', 'e'].map((name) => `layer ${name}`);
  const image = fc.record({
    layers: fc.subarray(layers),
    deleted: fc.boolean(),
    chunked: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(image, { maxLength: 5 }), async (images) => {
      const world = await StoreWorld.open('memory');
      const manifests: Digest[] = [];
      const chunked = new Set<string>();
      for (const [n, { layers: texts, chunked: chunk }] of images.entries()) {
        manifests.push(await world.pushImage(`image ${n}`, texts, parseTag(`t${n}`)));
        for (const text of chunk ? texts : []) {
          if (chunked.has(text)) continue;
          await world.chunkLayer(text);
          chunked.add(text);
        }
      }
      await world.age();
      const reached = new Set<string>();
      for (const [n, { layers: texts, deleted }] of images.entries()) {
        const digest = manifests[n];
        if (digest === undefined) continue;
        if (deleted) await world.catalog.repositories.deleteManifest(REPO, digest);
        else [`image ${n}`, `image ${n} config`, ...texts].forEach((text) => reached.add(text));
      }
      for (const text of chunked) {
        if (reached.has(text)) [`${text} pack`, `${text} index`].forEach((own) => reached.add(own));
      }
      const foretold = await collect(world, { dryRun: true });
      const report = await collect(world);
      expect(report).toEqual(foretold);
      expect(report.keptBlobs).toBe(reached.size);
      expect(await world.stored([...reached])).toEqual([...reached]);
    }),
    { numRuns: 12 },
  );
});
