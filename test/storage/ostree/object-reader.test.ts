import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import type { OstreeChunkRow } from '../../../storage/catalog/ostree-catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { blobKey } from '../../../storage/keys.ts';
import type { ByteRange, ObjectStore } from '../../../storage/object-store.ts';
import { ChunkCache } from '../../../storage/ostree/chunk-cache.ts';
import { ContentAccess } from '../../../storage/ostree/content-access.ts';
import { openContent } from '../../../storage/ostree/object-reader.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { collect, noise, text } from '../chunk/material.ts';
import { file, incoming } from './objects.ts';

/** A store that notes the ranges asked for. */
class SpiedBlobs extends BlobStore {
  readonly ranges: ByteRange[] = [];
  override open(...[digest, options = {}]: Parameters<BlobStore['open']>) {
    if (options.range !== undefined) this.ranges.push(options.range);
    return super.open(digest, options);
  }
}

const content = Buffer.concat([noise(600_000, 'x'), text(20_000, 'y'), noise(300_000, 'z')]);
let folder = '';
let chunks: readonly OstreeChunkRow[] = [];
let stores: Readonly<Record<'memory' | 'fs', ObjectStore>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-reader-'));
  stores = { memory: createMemoryStore(), fs: await openFsStore(join(folder, 'store')) };
  for (const objects of Object.values(stores)) {
    const catalog = await openSqliteCatalog(':memory:', Date.now);
    const options = { blobs: new BlobStore(objects), catalog, repo: REPO, scratch: folder };
    const object = file(content);
    await writeObjects(incoming([file('before'), object, file('after')]), options);
    chunks = await catalog.ostree.chunksOf(object.name);
    await catalog.close();
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ranges = fc
  .tuple(fc.nat({ max: content.length - 1 }), fc.integer({ min: 1, max: 700_000 }))
  .map(([start, length]) => ({
    start,
    endExclusive: Math.min(content.length, start + length),
  }));

describe.each(['memory', 'fs'] as const)('reading contents on %s', (driver) => {
  test('as a whole, in one read of the pack', async () => {
    const blobs = new SpiedBlobs(stores[driver]);
    expect(chunks.length).toBeGreaterThan(10);
    expect((await collect(openContent(blobs, chunks))).equals(content)).toBe(true);
    expect(blobs.ranges).toHaveLength(1);
    expect(await collect(openContent(blobs, []))).toEqual(Buffer.alloc(0));
  });

  test('every range is the slice, from the chunks that it touches', async () => {
    const blobs = new SpiedBlobs(stores[driver]);
    await fc.assert(
      fc.asyncProperty(ranges, async (range) => {
        const part = await collect(openContent(blobs, chunks, { range }));
        expect(part.equals(content.subarray(range.start, range.endExclusive))).toBe(true);
        const touched = chunks.filter(
          (c) => c.start < range.endExclusive && c.start + c.rawLength > range.start,
        );
        const few = await collect(openContent(blobs, touched, { range }));
        expect(few.equals(part)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    [0, content.length + 1],
    [content.length, content.length + 1],
    [-1, 5],
    [0.5, 5],
    [0, Number.NaN],
  ])('bytes %d to %d are not there', async (start, endExclusive) => {
    const reading = collect(
      openContent(new BlobStore(stores[driver]), chunks, { range: { start, endExclusive } }),
    );
    await expect(reading).rejects.toMatchObject({ code: 'range_unsatisfiable' });
  });

  test('chunks with a gap, or in another order, are refused', async () => {
    const blobs = new BlobStore(stores[driver]);
    for (const wrong of [
      chunks.filter((_, n) => n !== 3),
      chunks.slice(1),
      chunks.slice(0, -1),
      chunks.toReversed(),
    ]) {
      const range = { start: 0, endExclusive: content.length };
      await expect(collect(openContent(blobs, wrong, { range }))).rejects.toMatchObject({
        code: 'range_unsatisfiable',
      });
      if (wrong.length !== chunks.length - 1 || wrong[3] !== chunks[3]) {
        expect(() => new ContentAccess(blobs, wrong)).toThrow(/leave a gap/);
      }
    }
  });

  test('at any place, as often as one likes', async () => {
    const access = new ContentAccess(
      new BlobStore(stores[driver]),
      chunks,
      new ChunkCache(600_000),
    );
    expect(access.size).toBe(content.length);
    await fc.assert(
      fc.asyncProperty(ranges, async ({ start, endExclusive }) => {
        const part = await access.read(start, endExclusive - start);
        expect(part.equals(content.subarray(start, endExclusive))).toBe(true);
      }),
      { numRuns: 30 },
    );
    expect(await access.read(content.length, 0)).toEqual(Buffer.alloc(0));
    await expect(access.read(content.length - 1, 2)).rejects.toMatchObject({
      code: 'range_unsatisfiable',
    });
  });

  test('what is cached is not read again, and neighbours are read at once', async () => {
    const blobs = new SpiedBlobs(stores[driver]);
    const access = new ContentAccess(blobs, chunks);
    await access.read(0, 500_000);
    expect(blobs.ranges).toHaveLength(1);
    await access.read(1000, 400_000);
    expect(blobs.ranges).toHaveLength(1);
    await access.read(0, content.length);
    expect(blobs.ranges).toHaveLength(2);
    const into = Buffer.alloc(100);
    access.readSync(700, into);
    expect(into.equals(content.subarray(700, 800))).toBe(true);
    expect(blobs.ranges).toHaveLength(2);
  });
});

test('at once where the store has files, and not where it has none', () => {
  const access = new ContentAccess(new BlobStore(stores.fs), chunks, new ChunkCache(500_000));
  fc.assert(
    fc.property(ranges, ({ start, endExclusive }) => {
      const into = Buffer.alloc(endExclusive - start);
      access.readSync(start, into);
      expect(into.equals(content.subarray(start, endExclusive))).toBe(true);
    }),
    { numRuns: 10 },
  );
  expect(() => {
    access.readSync(content.length - 1, Buffer.alloc(2));
  }).toThrow(expect.objectContaining({ code: 'range_unsatisfiable' }) as Error);
  const none = new ContentAccess(new BlobStore(stores.memory), chunks);
  expect(() => {
    none.readSync(0, Buffer.alloc(1));
  }).toThrow(expect.objectContaining({ code: 'unavailable', retryable: false }) as Error);
});

test('a damaged chunk is found before a byte of it is given, a lost pack is missing', async () => {
  const [first] = chunks;
  const last = chunks.at(-1);
  if (first === undefined || last === undefined) throw new Error('no chunks');
  const parts: Buffer[] = [];
  for await (const part of await new BlobStore(stores.memory).open(first.pack)) {
    parts.push(part as Buffer);
  }
  const bytes = Buffer.concat(parts);
  bytes.writeUInt8(bytes.readUInt8(last.offset + 50) ^ 1, last.offset + 50);
  const damaged = await openFsStore(join(folder, 'damaged'));
  await damaged.put(blobKey(first.pack), [bytes]);
  const blobs = new BlobStore(damaged);
  const wrong = { code: expect.stringMatching(/^(corrupt|digest_mismatch)$/) as unknown };
  let given = 0;
  const reading = async () => {
    for await (const part of openContent(blobs, chunks)) given += part.length;
  };
  await expect(reading()).rejects.toMatchObject(wrong);
  expect(given).toBe(last.start);
  const access = new ContentAccess(blobs, chunks);
  await expect(access.read(last.start, 1)).rejects.toMatchObject(wrong);
  expect(() => {
    access.readSync(last.start, Buffer.alloc(1));
  }).toThrow(expect.objectContaining(wrong) as Error);
  const short = { ...last, length: last.length + 1000 };
  expect(() => {
    new ContentAccess(blobs, [...chunks.slice(0, -1), short]).readSync(last.start, Buffer.alloc(1));
  }).toThrow(/cut off|bytes follow/);
  await blobs.delete(first.pack);
  await expect(collect(openContent(blobs, chunks))).rejects.toMatchObject({ code: 'missing' });
  await expect(access.read(last.start, 1)).rejects.toMatchObject({ code: 'missing' });
  expect(() => {
    access.readSync(last.start, Buffer.alloc(1));
  }).toThrow(expect.objectContaining({ code: 'missing' }) as Error);
});
