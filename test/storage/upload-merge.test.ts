import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import type { UploadPart } from '../../storage/catalog/upload-catalog.ts';
import { digestOf } from '../../storage/digest.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { StorageError } from '../../storage/errors.ts';
import { blobKey } from '../../storage/keys.ts';
import { parseRepoName } from '../../storage/names.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { mergeableParts, mergeParts } from '../../storage/upload/merge.ts';
import { blob, read } from '../suites/object-store.ts';

const REPO = parseRepoName('edge/app');
const MIB = 1024 * 1024;

describe('parts to be merged', () => {
  const digest = digestOf(Buffer.alloc(0));
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 8 * MIB })),
    {
      maxLength: 2000,
    },
  );

  it('are the newest ones; merging them keeps a session of small pieces short', () => {
    fc.assert(
      fc.property(sizes, (all) => {
        let parts: UploadPart[] = [];
        let offset = 0;
        let copied = 0;
        for (const size of all) {
          parts.push({ offset, size, digest });
          offset += size;
          const run = mergeableParts(parts);
          const [first] = run;
          if (first === undefined) continue;
          expect(run).toEqual(parts.slice(-run.length));
          expect(run.every((part) => part.size < 4 * MIB)).toBe(true);
          const merged = run.reduce((sum, part) => sum + part.size, 0);
          copied += merged;
          parts = [...parts.slice(0, -run.length), { offset: first.offset, size: merged, digest }];
        }
        const large = all.filter((size) => size >= MIB).length;
        expect(parts.length).toBeLessThanOrEqual(4 * 64 * (large + 1));
        expect(copied).toBeLessThanOrEqual(4 * offset);
      }),
      { numRuns: 50 },
    );
  });

  it('stay few for many pieces of a kibibyte', () => {
    let parts: UploadPart[] = [];
    let most = 0;
    for (let offset = 0; offset < 64 * MIB; offset += 1024) {
      parts.push({ offset, size: 1024, digest });
      const run = mergeableParts(parts);
      const size = run.reduce((sum, part) => sum + part.size, 0);
      if (run[0] !== undefined)
        parts = [...parts.slice(0, -run.length), { offset: run[0].offset, size, digest }];
      most = Math.max(most, parts.length);
    }
    // 63 of each class below 4 MiB that occurs, and one for each 4 MiB.
    expect(most).toBeLessThanOrEqual(2 * 63 + 16 + 1);
  });
});

describe('a session of many small pieces', () => {
  let catalog: Catalog;
  let objects: ObjectStore;
  let uploads: UploadService;

  beforeEach(async () => {
    catalog = await openSqliteCatalog(':memory:', Date.now);
    objects = createMemoryStore();
    uploads = new UploadService({ objects, catalog, clock: Date.now });
  });
  afterEach(() => catalog.close());

  const objectCount = async (): Promise<number> => {
    let count = 0;
    for await (const entry of objects.list('')) count += entry.size > 0 ? 1 : 0;
    return count;
  };

  it.each([
    ['sha256', 20_000],
    ['sha512', 2000],
  ] as const)('makes a blob of them, named by %s: %i', async (algorithm, count) => {
    const { bytes } = blob(3 * count);
    const { id } = await uploads.start(REPO);
    let most = 0;
    for (let at = 0; at < count; at += 1) {
      const piece = bytes.subarray(at * 3, at * 3 + 3);
      const { parts, size } = await uploads.append(REPO, id, [piece], { offset: at * 3 });
      expect(size).toBe(at * 3 + 3);
      most = Math.max(most, parts.length);
    }
    expect(most).toBeLessThan(260);
    expect(await objectCount()).toBeLessThan(260);
    const digest = digestOf(bytes, algorithm);
    expect(await uploads.commit(REPO, id, digest)).toEqual({ digest, size: 3 * count });
    expect((await read(objects, blobKey(digest))).equals(bytes)).toBe(true);
    expect(await objectCount()).toBe(1);
  });

  it('stands as it was when a merge fails, and merges later', async () => {
    const { bytes } = blob(200);
    let isFailing = true;
    const inner = objects;
    const failing: ObjectStore = {
      name: inner.name,
      put: (...args) => inner.put(...args),
      stat: (...args) => inner.stat(...args),
      list: (...args) => inner.list(...args),
      delete: (...args) => inner.delete(...args),
      move: (...args) => inner.move(...args),
      open: (...args) =>
        isFailing ? Promise.reject(new StorageError('unavailable', 'EIO')) : inner.open(...args),
    };
    const service = new UploadService({ objects: failing, catalog, clock: Date.now });
    const { id } = await service.start(REPO);
    for (const byte of bytes.subarray(0, 100)) await service.append(REPO, id, [Buffer.of(byte)]);
    expect((await service.get(REPO, id)).parts).toHaveLength(100);
    // Nothing of the merges that failed is left.
    expect(await objectCount()).toBe(100);
    isFailing = false;
    await service.append(REPO, id, [bytes.subarray(100)]);
    expect((await service.get(REPO, id)).parts).toHaveLength(101);
    await service.append(REPO, id, []);
    await service.commit(REPO, id, digestOf(bytes));
    expect((await read(objects, blobKey(digestOf(bytes)))).equals(bytes)).toBe(true);
  });

  it('is merged by one of two at once, and committed while it is merged', async () => {
    const { bytes } = blob(64);
    const { id } = await uploads.start(REPO);
    for (const byte of bytes.subarray(0, 63)) await uploads.append(REPO, id, [Buffer.of(byte)]);
    await catalog.uploads.append(id, {
      offset: 63,
      size: 1,
      digest: digestOf(bytes.subarray(63)),
    });
    const key = `uploads/${id}/${'63'.padStart(16, '0')}${'0'.repeat(16)}`;
    await objects.put(key as never, [bytes.subarray(63)]);
    const session = await uploads.get(REPO, id);
    const stores = { objects, uploads: catalog.uploads };
    const outcomes = await Promise.allSettled([
      mergeParts(stores, session, session.parts, {}),
      mergeParts(stores, session, session.parts, {}),
      uploads.commit(REPO, id, digestOf(bytes)),
    ]);
    expect(outcomes[2].status).toBe('fulfilled');
    expect((await read(objects, blobKey(digestOf(bytes)))).equals(bytes)).toBe(true);
  });

  it('refuses to merge parts that are others by now', async () => {
    const { id } = await uploads.start(REPO);
    for (const text of ['a', 'b', 'c']) await uploads.append(REPO, id, [Buffer.from(text)]);
    const { parts } = await uploads.get(REPO, id);
    const into = { offset: 0, size: 3, digest: digestOf(Buffer.from('abc')) };
    const merge = (some: readonly UploadPart[]) => catalog.uploads.merge(id, some, into);
    await expect(merge(parts.slice(0, 2))).rejects.toMatchObject({ code: 'conflict' });
    await merge(parts);
    await expect(merge(parts)).rejects.toMatchObject({ code: 'conflict' });
    expect((await uploads.get(REPO, id)).parts).toEqual([into]);
    await expect(
      uploads.append(
        REPO,
        id,
        ['d'].map((t) => Buffer.from(t)),
        { offset: 3 },
      ),
    ).resolves.toMatchObject({ size: 4 });
  });
});
