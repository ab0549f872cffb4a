import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { StorageError } from '../../storage/errors.ts';
import { blobKey, parseUploadId, uploadPartKey, uploadPrefix } from '../../storage/keys.ts';
import { parseRepoName } from '../../storage/names.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { blob, read } from '../suites/object-store.ts';

const REPO = parseRepoName('edge/app');
const OTHER = parseRepoName('edge/other');
const UNKNOWN = parseUploadId('0'.repeat(32));

describe('upload sessions', () => {
  let root: string;
  let catalog: Catalog;
  let objects: ObjectStore;
  let nowMs: number;
  let uploads: UploadService;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rivulet-upload-'));
    nowMs = Date.now();
    const clock = (): number => nowMs;
    catalog = await openSqliteCatalog(join(root, 'catalog.db'), clock);
    objects = await openFsStore(join(root, 'store'));
    uploads = new UploadService({ objects, catalog, clock });
  });
  afterEach(async () => {
    await catalog.close();
    await rm(root, { recursive: true, force: true });
  });

  const partKeys = async (prefix = 'uploads/'): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of objects.list(prefix)) keys.push(key);
    return keys;
  };

  it.each(['sha256', 'sha512'] as const)('makes pieces a blob named by %s', async (algorithm) => {
    const { bytes } = blob(10_000);
    const digest = digestOf(bytes, algorithm);
    const { id } = await uploads.start(REPO);
    expect((await uploads.append(REPO, id, [bytes.subarray(0, 4000)], { offset: 0 })).size).toBe(
      4000,
    );
    expect((await uploads.append(REPO, id, [bytes.subarray(4000)], { length: 6000 })).size).toBe(
      10_000,
    );
    expect(await uploads.commit(REPO, id, digest)).toEqual({ digest, size: 10_000 });
    expect((await read(objects, blobKey(digest))).equals(bytes)).toBe(true);
    expect(await catalog.repositories.hasBlob(REPO, digest)).toBe(true);
    expect(await partKeys()).toEqual([]);
    await expect(uploads.get(REPO, id)).rejects.toMatchObject({ code: 'missing' });
    // Session folders don't pile up.
    expect(await readdir(join(root, 'store', 'uploads'))).toEqual([]);
  });

  it.each(['sha256', 'sha512'] as const)(
    'makes one piece a blob named by %s',
    async (algorithm) => {
      const { bytes } = blob(10_000);
      const digest = digestOf(bytes, algorithm);
      const { id } = await uploads.start(REPO);
      await uploads.append(REPO, id, [bytes]);
      await uploads.commit(REPO, id, digest);
      expect((await read(objects, blobKey(digest))).equals(bytes)).toBe(true);
      expect(await partKeys()).toEqual([]);
    },
  );

  it('takes empty blobs and empty pieces', async () => {
    const digest = digestOf(Buffer.alloc(0));
    const { id } = await uploads.start(REPO);
    expect((await uploads.append(REPO, id, [])).size).toBe(0);
    expect(await partKeys()).toEqual([]);
    expect(await uploads.commit(REPO, id, digest)).toEqual({ digest, size: 0 });
    expect((await objects.stat(blobKey(digest)))?.size).toBe(0);
  });

  it('joins any pieces', async () => {
    const memory = new UploadService({ objects: createMemoryStore(), catalog, clock: Date.now });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 6 }),
        async (list) => {
          const { id } = await memory.start(REPO);
          for (const piece of list) await memory.append(REPO, id, [piece]);
          const whole = Buffer.concat(list);
          const digest = digestOf(whole);
          expect(await memory.commit(REPO, id, digest)).toEqual({ digest, size: whole.length });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('refuses a piece that is not the next one', async () => {
    const { id } = await uploads.start(REPO);
    await uploads.append(REPO, id, [Buffer.from('abc')]);
    for (const offset of [0, 2, 4]) {
      await expect(uploads.append(REPO, id, [Buffer.from('x')], { offset })).rejects.toMatchObject({
        code: 'out_of_order',
        detail: { size: 3 },
      });
    }
    expect((await uploads.get(REPO, id)).size).toBe(3);
  });

  it('knows sessions only in their repository', async () => {
    const { id } = await uploads.start(REPO);
    const missing = { code: 'missing' };
    await expect(uploads.get(OTHER, id)).rejects.toMatchObject(missing);
    await expect(uploads.append(OTHER, id, [])).rejects.toMatchObject(missing);
    await expect(uploads.commit(OTHER, id, digestOf(Buffer.alloc(0)))).rejects.toMatchObject(
      missing,
    );
    await expect(uploads.cancel(OTHER, id)).rejects.toMatchObject(missing);
    await expect(uploads.get(REPO, UNKNOWN)).rejects.toMatchObject(missing);
  });

  it.each([
    ['one piece', [Buffer.from('abcdef')]],
    ['two pieces', [Buffer.from('abc'), Buffer.from('def')]],
  ])('shows nothing after a wrong digest of %s, and goes on', async (_name, list) => {
    const { id } = await uploads.start(REPO);
    for (const piece of list) await uploads.append(REPO, id, [piece]);
    const wrong = digestOf(Buffer.from('something else'));
    await expect(uploads.commit(REPO, id, wrong)).rejects.toMatchObject({
      code: 'digest_mismatch',
    });
    expect(await objects.stat(blobKey(wrong))).toBeUndefined();
    expect(await catalog.repositories.hasBlob(REPO, wrong)).toBe(false);
    await uploads.commit(REPO, id, digestOf(Buffer.from('abcdef')));
    expect(await catalog.repositories.hasBlob(REPO, digestOf(Buffer.from('abcdef')))).toBe(true);
  });

  it.each([
    ['no piece', []],
    ['one piece', [Buffer.from('liar')]],
    ['two pieces', [Buffer.from('li'), Buffer.from('ar')]],
  ])(
    'does not give a blob that exists to one who only knows its digest: %s',
    async (_name, list) => {
      const { bytes, digest, key } = blob(4);
      await objects.put(key, [bytes]);
      const { id } = await uploads.start(OTHER);
      for (const piece of list) await uploads.append(OTHER, id, [piece]);
      await expect(uploads.commit(OTHER, id, digest)).rejects.toMatchObject({
        code: expect.stringMatching(/^(digest|size)_mismatch$/) as string,
      });
      expect(await catalog.repositories.hasBlob(OTHER, digest)).toBe(false);
    },
  );

  it('keeps what arrived when a client breaks off, and goes on from there', async () => {
    const { bytes, digest } = blob(3000);
    const { id } = await uploads.start(REPO);
    const gone = new RangeError('socket hang up');
    const source = (function* () {
      yield bytes.subarray(0, 1000);
      yield bytes.subarray(1000, 1234);
      throw gone;
    })();
    await expect(uploads.append(REPO, id, source, { length: 3000 })).rejects.toBe(gone);
    expect((await uploads.get(REPO, id)).size).toBe(1234);
    await uploads.append(REPO, id, [bytes.subarray(1234)], { offset: 1234 });
    await uploads.commit(REPO, id, digest);
    expect((await read(objects, blobKey(digest))).equals(bytes)).toBe(true);
  });

  it('keeps what arrived when the signal fires on a source that hangs', async () => {
    const { bytes } = blob(500);
    const { id } = await uploads.start(REPO);
    const abort = new AbortController();
    const source = (async function* () {
      yield bytes;
      abort.abort();
      await new Promise(() => undefined);
    })();
    await expect(uploads.append(REPO, id, source, { signal: abort.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect((await uploads.get(REPO, id)).size).toBe(500);
  });

  it('holds the client to the length that it promised', async () => {
    const { id } = await uploads.start(REPO);
    const bytes = [Buffer.from('abc'), Buffer.from('def')];
    await expect(uploads.append(REPO, id, bytes, { length: 5 })).rejects.toMatchObject({
      code: 'size_mismatch',
    });
    expect((await uploads.get(REPO, id)).size).toBe(0);
    expect(await partKeys()).toEqual([]);
    await expect(uploads.append(REPO, id, bytes, { length: 7 })).rejects.toMatchObject({
      code: 'size_mismatch',
    });
    expect((await uploads.get(REPO, id)).size).toBe(6);
  });

  it('lets one of several appends at one offset win, whole', async () => {
    const { id } = await uploads.start(REPO);
    const rivals = Array.from({ length: 6 }, (_, n) => Buffer.alloc(1000, n + 1));
    const results = await Promise.allSettled(
      rivals.map((bytes) => uploads.append(REPO, id, [bytes], { offset: 0 })),
    );
    const winners = rivals.filter((_, n) => results[n]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'out_of_order' });
    }
    expect(await partKeys()).toHaveLength(1);
    const [winner] = winners;
    if (winner === undefined) throw new Error('nobody won');
    await uploads.commit(REPO, id, digestOf(winner));
    expect((await read(objects, blobKey(digestOf(winner)))).equals(winner)).toBe(true);
  });

  it.each(['before', 'after'])(
    'tells the part of a dead rival, put %s it, from its own',
    async (order) => {
      const { id } = await uploads.start(REPO);
      const mine = Buffer.alloc(1000, 1);
      const leave = (nonce: string): Promise<unknown> =>
        objects.put(uploadPartKey(id, 0, nonce), [Buffer.alloc(1000, 2)]);
      if (order === 'before') await leave('0'.repeat(16));
      await uploads.append(REPO, id, [mine]);
      if (order === 'after') await leave('f'.repeat(16));
      await uploads.commit(REPO, id, digestOf(mine));
      expect((await read(objects, blobKey(digestOf(mine)))).equals(mine)).toBe(true);
      expect(await partKeys()).toEqual([]);
    },
  );

  it('lets two sessions make one blob at once', async () => {
    const { bytes, digest, key } = blob(100_000);
    const ids = await Promise.all(
      [REPO, OTHER, REPO].map(async (repo) => (await uploads.start(repo)).id),
    );
    await Promise.all(ids.map((id, n) => uploads.append(n === 1 ? OTHER : REPO, id, [bytes])));
    await Promise.all(ids.map((id, n) => uploads.commit(n === 1 ? OTHER : REPO, id, digest)));
    expect((await read(objects, key)).equals(bytes)).toBe(true);
    expect(await catalog.repositories.hasBlob(OTHER, digest)).toBe(true);
    expect(await partKeys()).toEqual([]);
  });

  it('waits for a collector that is just removing the blob', async () => {
    const { bytes, digest } = blob(100);
    let refusals = 1;
    const { repositories } = catalog;
    const linkBlob = async (...link: [typeof REPO, Digest, number]): Promise<void> => {
      refusals -= 1;
      if (refusals < 0) return repositories.linkBlob(...link);
      await objects.delete(blobKey(digest));
      throw new StorageError('unavailable', 'condemned');
    };
    // All of the catalog is real but this one answer, which depends on another process's timing.
    const busy = {
      uploads: catalog.uploads,
      repositories: Object.assign(Object.create(repositories) as typeof repositories, { linkBlob }),
    };
    await objects.put(blobKey(digest), [bytes]);
    const service = new UploadService({ objects, catalog: busy, clock: Date.now });
    const { id } = await service.start(REPO);
    await service.append(REPO, id, [bytes]);
    await service.commit(REPO, id, digest);
    expect((await read(objects, blobKey(digest))).equals(bytes)).toBe(true);
    expect(await catalog.repositories.hasBlob(REPO, digest)).toBe(true);
  });

  it('says when a part was lost', async () => {
    const { id } = await uploads.start(REPO);
    await uploads.append(REPO, id, [Buffer.from('abc')]);
    await uploads.append(REPO, id, [Buffer.from('def')]);
    for await (const { key } of objects.list(`${uploadPrefix(id)}0000000000000003`))
      await objects.delete(key);
    await expect(uploads.commit(REPO, id, digestOf(Buffer.from('abcdef')))).rejects.toMatchObject({
      code: 'corrupt',
    });
  });

  it('forgets a cancelled session', async () => {
    const { id } = await uploads.start(REPO);
    await uploads.append(REPO, id, [Buffer.from('abc')]);
    await uploads.cancel(REPO, id);
    expect(await partKeys()).toEqual([]);
    await expect(uploads.cancel(REPO, id)).rejects.toMatchObject({ code: 'missing' });
    await expect(uploads.append(REPO, id, [Buffer.from('abc')])).rejects.toMatchObject({
      code: 'missing',
    });
  });

  it('leaves nothing of an append whose session ends meanwhile', async () => {
    const { id } = await uploads.start(REPO);
    const source = (async function* () {
      yield Buffer.from('abc');
      await uploads.cancel(REPO, id);
      yield Buffer.from('def');
    })();
    await expect(uploads.append(REPO, id, source)).rejects.toMatchObject({ code: 'missing' });
    expect(await partKeys()).toEqual([]);
  });

  it('sweeps stale sessions and parts without one, not the living', async () => {
    const stale = await uploads.start(REPO);
    await uploads.append(REPO, stale.id, [Buffer.from('old')]);
    await objects.put(uploadPartKey(UNKNOWN, 0, '0'.repeat(16)), [Buffer.from('orphan')]);
    nowMs += 3_600_000;
    const fresh = await uploads.start(REPO);
    await uploads.append(REPO, fresh.id, [Buffer.from('new')]);
    expect(await uploads.sweep(600_000)).toEqual({ sessions: 1, parts: 1 });
    await expect(uploads.get(REPO, stale.id)).rejects.toMatchObject({ code: 'missing' });
    expect((await uploads.get(REPO, fresh.id)).size).toBe(3);
    expect(await partKeys()).toEqual([expect.stringContaining(fresh.id) as string]);
  });

  it('does not sweep a young part whose row may be on its way', async () => {
    await objects.put(uploadPartKey(UNKNOWN, 0, '0'.repeat(16)), [Buffer.from('young')]);
    expect(await uploads.sweep(600_000)).toEqual({ sessions: 0, parts: 0 });
    expect(await partKeys()).toHaveLength(1);
  });
});
