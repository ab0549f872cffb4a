import { once } from 'node:events';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

import { sweepBlobFolder, type SweepOptions } from '../../../server/cache/sweep.ts';
import { openCacheCatalog, type CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { sparsePaths } from '../../../storage/sparse/sparse-paths.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';
import { ask, noise, startOrigin, startTestCache, statusOf, tempFolder, until } from './tools.ts';

const named = (name: string): Digest => digestOf(Buffer.from(name));
const startedMs = Date.now();

interface Swept {
  readonly folder: string;
  readonly catalog: CacheCatalog;
  /** How often the catalog was asked or told something, by method. */
  readonly calls: Map<string, number>;
  readonly sweep: (change?: Partial<SweepOptions>) => Promise<{ files: number; rows: number }>;
}

async function open(): Promise<Swept> {
  const folder = join(await tempFolder(), 'blobs');
  await mkdir(folder);
  const catalog = await openCacheCatalog(':memory:');
  onTestFinished(() => catalog.close());
  const calls = new Map<string, number>();
  const counted = <A extends readonly unknown[], R>(name: string, call: (...args: A) => R) => {
    return (...args: A): R => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      return call(...args);
    };
  };
  const { objects } = catalog;
  const sweep = (change: Partial<SweepOptions> = {}) =>
    sweepBlobFolder({
      folder,
      objects: {
        known: counted('known', (digests) => objects.known(digests)),
        page: counted('page', (last, limit) => objects.page(last, limit)),
        delete: counted('delete', (digest) => objects.delete(digest)),
        measure: counted('measure', (digest, bytes) => objects.measure(digest, bytes)),
      },
      isOpen: () => false,
      startedMs,
      signal: new AbortController().signal,
      ...change,
    });
  return { folder, catalog, calls, sweep };
}

/** A blob that is here, with a row unless told otherwise. */
async function keep({ folder, catalog }: Swept, name: string, complete = true): Promise<Digest> {
  const digest = named(name);
  const { data, map } = sparsePaths(folder, digest);
  await writeFile(data, 'x'.repeat(5000));
  await writeFile(map, 'x');
  await catalog.objects.put({ digest, size: 5000, bytes: complete ? 5000 : 1, complete }, 1);
  return digest;
}

test('the catalog is asked by the page, not by the blob', async () => {
  const swept = await open();
  for (let count = 0; count < 1200; count += 1) await keep(swept, `blob ${count}`);
  expect(await swept.sweep()).toEqual({ files: 0, rows: 0 });
  // 2,400 files and 1,200 rows, 500 at a time; one page more tells that there are no more.
  expect(Object.fromEntries(swept.calls)).toEqual({ known: 5, page: 4 });
  expect((await readdir(swept.folder)).length).toBe(2400);
});

test('files without a row go, and rows without a file; what is half there is measured', async () => {
  const swept = await open();
  const { folder, catalog } = swept;
  const [orphan, lost, half] = [
    await keep(swept, 'orphan'),
    await keep(swept, 'lost'),
    await keep(swept, 'half', false),
  ];
  await catalog.objects.delete(orphan);
  await rm(sparsePaths(folder, lost).data);
  expect(await swept.sweep()).toEqual({ files: 2, rows: 1 });
  expect(await catalog.objects.get(lost)).toBeUndefined();
  expect((await catalog.objects.get(half))?.bytes).toBe(5000);
  expect(await catalog.objects.totals()).toEqual({ count: 1, completeCount: 0, bytes: 5000 });
});

test('blobs that are open, and files of this run, are left alone', async () => {
  const swept = await open();
  const { folder, catalog } = swept;
  const orphan = await keep(swept, 'orphan');
  await catalog.objects.delete(orphan);
  const lost = await keep(swept, 'lost');
  await rm(sparsePaths(folder, lost).data);
  const [before, now] = [join(folder, '.01.tmp'), join(folder, '.02.tmp')];
  await writeFile(before, 'x');
  await utimes(before, (startedMs - 5000) / 1000, (startedMs - 5000) / 1000);
  await writeFile(now, 'x');
  await utimes(now, (startedMs + 5000) / 1000, (startedMs + 5000) / 1000);
  expect(await swept.sweep({ isOpen: () => true })).toEqual({ files: 1, rows: 0 });
  expect(await readdir(folder)).toContain('.02.tmp');
  expect(await catalog.objects.get(lost)).toBeDefined();
});

test('ends when it is told to', async () => {
  const swept = await open();
  await keep(swept, 'blob');
  const signal = AbortSignal.abort(new Error('the cache stops'));
  await expect(swept.sweep({ signal })).rejects.toMatchObject({ code: 'aborted' });
  expect(swept.calls.size).toBe(0);
});

test('kill -9 in the middle of the sweep: the next run ends it, and what is whole stays', async () => {
  const data = await tempFolder();
  const blob = noise(50_000);
  const origin = await startOrigin();
  const digest = origin.add(blob);
  const before = await startTestCache(origin.url, { data });
  await ask(`${before.url}/v1/blobs/${digest}`);
  await before.close();
  const folder = join(data, 'blobs');
  const orphans = Array.from({ length: 3000 }, (_, n) => sparsePaths(folder, named(`orphan ${n}`)));
  for (const { data: bytes, map } of orphans) {
    await writeFile(bytes, 'x');
    await writeFile(map, 'x');
  }
  const file = join(import.meta.dirname, 'ostree/cache-child.ts');
  const child = spawnTypescript(file, [origin.url, data]);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(createInterface({ input: child.stdout }), 'line');
  await until(async () => (await readdir(folder)).length < 6002);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const cache = await startTestCache(origin.url, { data });
  await until(async () => (await readdir(folder)).length === 2);
  await origin.stop();
  expect((await ask(`${cache.url}/v1/blobs/${digest}`)).body.equals(blob)).toBe(true);
  expect(await statusOf(cache.url)).toMatchObject({ objects: 1, completeObjects: 1 });
}, 180_000);
