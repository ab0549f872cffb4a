import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { openCacheCatalog, type CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import { lockFolder } from '../../../storage/catalog/cache-lock.ts';
import { digestOf } from '../../../storage/digest.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rivulet-cache-catalog-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function memory(): Promise<CacheCatalog> {
  const catalog = await openCacheCatalog(':memory:');
  onTestFinished(() => catalog.close());
  return catalog;
}

const named = (name: string) => digestOf(Buffer.from(name));

test('objects: sizes, totals, and who was used last', async () => {
  const { objects } = await memory();
  const [a, b, c] = [named('a'), named('b'), named('c')];
  await objects.put({ digest: a, size: 10, bytes: 4, complete: false }, 1);
  await objects.put({ digest: b, size: 20, bytes: 20, complete: true }, 2);
  await objects.put({ digest: c, size: 30, bytes: 30, complete: true }, 3);
  await objects.touch(new Map([[a, 9]]));
  await objects.put({ digest: b, size: 20, bytes: 21, complete: true }, 2);
  expect((await objects.leastRecent(2, 0)).map(({ digest }) => digest)).toEqual([b, c]);
  expect((await objects.leastRecent(2, 2)).map(({ digest }) => digest)).toEqual([a]);
  expect(await objects.totals()).toEqual({ count: 3, completeCount: 2, bytes: 55 });
  expect(await objects.complete([a, b, named('?')])).toEqual(new Set([b]));
  await objects.measure(a, 8);
  expect(await objects.get(a)).toEqual({ digest: a, size: 10, bytes: 8, complete: false });
  await objects.delete(a);
  expect(await objects.get(a)).toBeUndefined();
});

test('reports: in order, bounded by count and bytes, the newest always kept', async () => {
  const { reports } = await memory();
  const append = (text: string, bounds: { count: number; bytes: number }) =>
    reports.append({ decision: 'd', device: 'x', body: Buffer.from(text), createdMs: 1 }, bounds);
  const wide = { count: 10, bytes: 1000 };
  for (const text of ['1', '22', '333']) expect(await append(text, wide)).toBe(0);
  expect(await append('4444', { count: 3, bytes: 1000 })).toBe(1);
  expect((await reports.oldest())?.body.toString()).toBe('22');
  expect(await append('55555', { count: 10, bytes: 9 })).toBe(2);
  expect((await reports.oldest())?.body.toString()).toBe('4444');
  expect(await append('a body past every bound', { count: 10, bytes: 3 })).toBe(2);
  expect(await reports.count()).toBe(1);
  const last = await reports.oldest();
  await reports.delete(last?.id ?? 0);
  expect(await reports.oldest()).toBeUndefined();
});

test('reports survive a restart', async () => {
  const path = join(await folder(), 'cache.sqlite');
  const first = await openCacheCatalog(path);
  const report = { decision: 'd', device: 'x', body: Buffer.from('{}'), createdMs: 5 };
  await first.reports.append(report, { count: 5, bytes: 100 });
  await first.close();
  const second = await openCacheCatalog(path);
  expect(await second.reports.oldest()).toMatchObject(report);
  await second.close();
});

test('live versions: new once, newest first, forgotten in time', async () => {
  const { live } = await memory();
  const version = { product: 'p', channel: 'c', platform: 'linux/amd64', current: named('v1') };
  expect(await live.seen(version, 1)).toBe(true);
  expect(await live.seen(version, 5)).toBe(false);
  const other = { ...version, current: named('v2') };
  expect(await live.seen(other, 3)).toBe(true);
  expect(await live.since(0)).toEqual([version, other]);
  await live.prune(4);
  expect(await live.since(0)).toEqual([version]);
});

test('manifests, tags and documents', async () => {
  const catalog = await memory();
  await catalog.ping();
  const { manifests, documents } = catalog;
  const body = Buffer.from([0, 255, 1]);
  const manifest = { digest: digestOf(body), mediaType: 'a/b', body };
  await manifests.put(manifest, 1, new Set());
  await manifests.put(manifest, 2, new Set());
  expect(await manifests.get(manifest.digest)).toEqual(manifest);
  const r = { registry: '', repo: 'r' };
  await manifests.putTag(r, 't', { digest: manifest.digest, checkedMs: 7 });
  expect(await manifests.getTag(r, 't')).toEqual({ digest: manifest.digest, checkedMs: 7 });
  await manifests.deleteTag(r, 't');
  expect(await manifests.getTag(r, 't')).toBeUndefined();
  const document = { etag: '"x"', headers: { link: 'y' }, body, checkedMs: 1 };
  await documents.put('/v2/a', document);
  await documents.confirm('/v2/a', 9);
  expect(await documents.get('/v2/a')).toEqual({ ...document, checkedMs: 9 });
  await documents.delete('/v2/a');
  expect(await documents.get('/v2/a')).toBeUndefined();
});

test('a folder is locked by one, until it lets go', async () => {
  const path = join(await folder(), 'cache.lock');
  const lock = lockFolder(path);
  expect(() => lockFolder(path)).toThrow(expect.objectContaining({ code: 'conflict' }));
  lock.release();
  lockFolder(path).release();
  expect(() => lockFolder(join(path, 'no', 'folder'))).toThrow(
    expect.objectContaining({ code: 'unavailable' }),
  );
});
