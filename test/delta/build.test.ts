import { readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { applyDelta, openDelta, type DeltaBase } from '../../delta/apply.ts';
import { buildImageDelta } from '../../delta/build.ts';
import { readImage, type Image } from '../../delta/image.ts';
import { inspectDelta } from '../../delta/inspect.ts';
import { openLayers, type LayerSet } from '../../delta/layers.ts';
import { proveImageDelta } from '../../delta/prove.ts';
import type { BuildReport } from '../../delta/write-delta.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { digestOf } from '../../storage/digest.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { BufferAccess, FileAccess } from '../../storage/random-access.ts';
import { baseOf, MemorySink } from './memory-sink.ts';
import {
  makeTar,
  noBsdiff,
  noise,
  prose,
  pushImage,
  quickBsdiff,
  touched,
  withFolder,
} from './support.ts';

interface World {
  readonly folder: string;
  readonly blobs: BlobStore;
  readonly from: LayerSet;
  readonly to: LayerSet;
  readonly oldImage: Image;
  readonly newImage: Image;
  readonly delta: string;
  readonly report: BuildReport;
}

async function withDelta(
  oldTars: readonly Buffer[],
  newTars: readonly Buffer[],
  work: (world: World) => Promise<void>,
  load = quickBsdiff,
): Promise<void> {
  await withFolder(async (folder) => {
    const blobs = new BlobStore(createMemoryStore());
    const oldImage = await readImage(blobs, await pushImage(blobs, oldTars));
    const newImage = await readImage(blobs, await pushImage(blobs, newTars));
    const from = await openLayers(blobs, oldImage, join(folder, 'from'));
    const to = await openLayers(blobs, newImage, join(folder, 'to'));
    const delta = join(folder, 'delta');
    const report = await buildImageDelta({
      from,
      to,
      output: delta,
      scratch: folder,
      profile: 'fast',
      loadBsdiff: load,
    });
    await work({ folder, blobs, from, to, oldImage, newImage, delta, report });
    await from.close();
    await to.close();
  });
}

const STATIC = makeTar([{ name: 'etc/static', bytes: prose(3000, 1) }]);
const PROGRAM = noise(200_000, 2);
const OLD_APP = makeTar([
  { name: 'bin/', type: '5' },
  { name: 'bin/app', bytes: PROGRAM },
  { name: 'doc/readme', bytes: prose(9000, 3) },
]);
const NEW_APP = makeTar([
  { name: 'bin/', type: '5' },
  { name: 'bin/app', bytes: touched(PROGRAM, 40, 4) },
  { name: 'doc/readme', bytes: prose(9000, 3) },
  { name: 'doc/new', bytes: prose(4000, 5) },
]);

describe('an image delta', () => {
  it('carries the target and names what it needs', async () => {
    await withDelta([STATIC, OLD_APP], [STATIC, NEW_APP], async (world) => {
      const source = await FileAccess.open(world.delta);
      const delta = await openDelta(source);
      expect(delta.kind).toBe('image');
      expect(delta.from).toBe(world.oldImage.manifest.digest);
      expect(delta.to).toBe(world.newImage.manifest.digest);
      expect(delta.manifestBytes?.equals(world.newImage.manifestBytes)).toBe(true);
      expect(delta.configBytes?.equals(world.newImage.configBytes)).toBe(true);
      expect(delta.base.map((base) => base.diffId)).toEqual([digestOf(OLD_APP)]);
      expect(delta.outputs.map((output) => output.reuse)).toEqual([true, false]);
      expect(world.report.size).toBeLessThan(10_000);
      await source.close();
    });
  });

  it('gives every layer exactly', async () => {
    await withDelta([STATIC, OLD_APP], [NEW_APP, STATIC], async ({ delta }) => {
      const source = await FileAccess.open(delta);
      const sink = new MemorySink();
      await applyDelta(await openDelta(source), baseOf([STATIC, OLD_APP]), sink);
      expect([...sink.outputs.keys()]).toEqual([digestOf(NEW_APP)]);
      expect(Buffer.concat(sink.outputs.get(digestOf(NEW_APP)) ?? []).equals(NEW_APP)).toBe(true);
      await source.close();
    });
  });

  it('is proved by the applier, and the proof fails for another target', async () => {
    await withDelta([STATIC, OLD_APP], [STATIC, NEW_APP], async ({ delta, from, to, oldImage }) => {
      const { applyMs } = await proveImageDelta({ delta, from, to: to.image });
      expect(applyMs).toBeGreaterThanOrEqual(0);
      const wrong = proveImageDelta({ delta, from, to: oldImage });
      await expect(wrong).rejects.toMatchObject({ code: 'output_mismatch' });
    });
  });

  it.each<[string, readonly Buffer[], readonly Buffer[]]>([
    ['content that moved to another layer', [STATIC, OLD_APP], [Buffer.concat([OLD_APP, STATIC])]],
    ['one layer twice', [OLD_APP], [NEW_APP, STATIC, NEW_APP]],
    ['an empty layer', [STATIC], [Buffer.alloc(0), STATIC]],
    ['a layer that is no tar', [Buffer.from('plain'), OLD_APP], [Buffer.from('plainer'), OLD_APP]],
    ['no layers before', [], [NEW_APP]],
    ['no layers after', [OLD_APP], []],
    ['the same layers', [OLD_APP], [OLD_APP]],
  ])('handles %s', async (_name, oldTars, newTars) => {
    await withDelta(oldTars, newTars, async ({ delta, from, to }) => {
      await proveImageDelta({ delta, from, to: to.image });
    });
  });

  it('refuses a device that lacks a base layer, before it writes anything', async () => {
    await withDelta([STATIC, OLD_APP], [STATIC, NEW_APP], async ({ delta: path }) => {
      const source = await FileAccess.open(path);
      const delta = await openDelta(source);
      for (const tars of [[STATIC], [OLD_APP], []]) {
        const sink = new MemorySink();
        const applied = applyDelta(delta, baseOf(tars), sink);
        await expect(applied).rejects.toMatchObject({ code: 'wrong_base' });
        expect(sink.outputs.size).toBe(0);
      }
      await source.close();
    });
  });

  it('notices a base that was changed in place, and destroys the output', async () => {
    await withDelta([OLD_APP], [NEW_APP], async ({ delta: path }) => {
      const source = await FileAccess.open(path);
      const delta = await openDelta(source);
      const changed = touched(OLD_APP, 1, 9);
      const sink = new MemorySink();
      const base: DeltaBase = { tar: () => Promise.resolve(new BufferAccess(changed)) };
      const applied = applyDelta(delta, base, sink);
      await expect(applied).rejects.toMatchObject({ code: 'output_mismatch' });
      expect(sink.errors).toMatchObject([{ code: 'output_mismatch' }]);
      await source.close();
    });
  });

  it('passes on the fault of a full disk', async () => {
    await withDelta([OLD_APP], [NEW_APP], async ({ delta: path }) => {
      const source = await FileAccess.open(path);
      const full = new Writable({
        highWaterMark: 1,
        write: (_bytes, _encoding, done) => {
          done(Object.assign(new Error('full'), { code: 'ENOSPC' }));
        },
      });
      const applied = applyDelta(await openDelta(source), baseOf([OLD_APP]), {
        output: () => Promise.resolve(full),
      });
      await expect(applied).rejects.toMatchObject({ code: 'ENOSPC' });
      await source.close();
    });
  });

  it('stops when aborted, even while the sink is stuck', async () => {
    await withDelta([OLD_APP], [NEW_APP], async ({ delta: path }) => {
      const source = await FileAccess.open(path);
      const controller = new AbortController();
      const stuck = new Writable({
        highWaterMark: 1,
        write: () => {
          controller.abort();
        },
      });
      const applied = applyDelta(
        await openDelta(source),
        baseOf([OLD_APP]),
        { output: () => Promise.resolve(stuck) },
        { signal: controller.signal },
      );
      await expect(applied).rejects.toMatchObject({ code: 'aborted' });
      await source.close();
    });
  });

  it('inspect tells layers, codecs and reasons, and its bytes add up', async () => {
    await withDelta([STATIC, OLD_APP], [STATIC, NEW_APP], async ({ delta, report }) => {
      const source = await FileAccess.open(delta);
      const summary = await inspectDelta(source);
      expect(JSON.parse(JSON.stringify(summary))).toMatchObject({ kind: 'image', version: 2 });
      const [reused, built] = summary.outputs;
      expect(reused).toMatchObject({ reuse: true, frames: 0, codedBytes: 0, sections: [] });
      const raw = built?.sections.reduce((sum, section) => sum + section.rawBytes, 0);
      expect(raw).toBe(NEW_APP.length);
      expect(summary.headerBytes + (built?.codedBytes ?? 0)).toBe(report.size);
      expect(built?.sections.map((section) => section.codec)).toContain('copy');
      expect(built?.sections.find((section) => section.rawBytes === 4000)).toMatchObject({
        codec: 'engine',
        why: 'the base has nothing like it',
      });
      await source.close();
    });
  });
});

describe('resuming', () => {
  const OLD_BIG = makeTar([{ name: 'big', bytes: noise(9_000_000, 1) }]);
  const NEW_BIG = makeTar([{ name: 'big', bytes: touched(noise(9_000_000, 1), 300, 2) }]);

  it('goes on after the last good frame of what an interrupted apply left', async () => {
    await withDelta(
      [OLD_BIG],
      [NEW_BIG],
      async ({ delta: path, folder }) => {
        const source = await FileAccess.open(path);
        const delta = await openDelta(source);
        const place = join(folder, 'output');
        const starts: number[] = [];
        const apply = async (): Promise<void> => {
          const existing = await FileAccess.open(place);
          await applyDelta(delta, baseOf([OLD_BIG]), {
            existing: () => Promise.resolve(existing),
            output: async (_output, start) => {
              starts.push(start);
              await truncate(place, start);
              return createWriteStream(place, { flags: 'r+', start });
            },
          });
          await existing.close();
        };
        const damaged = Buffer.from(NEW_BIG.subarray(0, 8_500_000));
        damaged[5_000_000] = (damaged[5_000_000] ?? 0) ^ 1;
        for (const left of [Buffer.alloc(0), NEW_BIG.subarray(0, 5_000_000), damaged, NEW_BIG]) {
          await writeFile(place, left);
          await apply();
          expect((await readFile(place)).equals(NEW_BIG)).toBe(true);
        }
        expect(starts[0]).toBe(0);
        expect(starts[1]).toBeGreaterThan(4_000_000);
        expect(starts[2]).toBe(starts[1]);
        expect(starts[3]).toBe(NEW_BIG.length);
        await source.close();
      },
      () => Promise.resolve(noBsdiff()),
    );
  });
});

describe('openLayers', () => {
  it('refuses a layer that does not hold its diff_id, and leaves no file', async () => {
    await withFolder(async (folder) => {
      const blobs = new BlobStore(createMemoryStore());
      const image = await readImage(blobs, await pushImage(blobs, [STATIC]));
      const diffId = digestOf(OLD_APP);
      const lying = { ...image, layers: image.layers.map((layer) => ({ ...layer, diffId })) };
      const layers = await openLayers(blobs, lying, folder);
      await expect(layers.tar(diffId)).rejects.toMatchObject({ code: 'corrupt' });
      await expect(layers.tar(digestOf(STATIC))).rejects.toMatchObject({ code: 'missing' });
      await layers.close();
      expect(await readdir(folder)).toEqual([]);
    });
  });
});
