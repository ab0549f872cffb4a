import { expect, onTestFinished, test } from 'vitest';

import { KnownFiles } from '../../../../server/cache/ostree/known-files.ts';
import { openCacheCatalog } from '../../../../storage/catalog/cache-catalog.ts';
import { digestOf } from '../../../../storage/digest.ts';
import { noise, silent } from '../tools.ts';

async function openKnown(budgetBytes: number, maxFiles?: number) {
  const catalog = await openCacheCatalog(':memory:');
  onTestFinished(() => catalog.close());
  let nowMs = 0;
  const clock = (): number => (nowMs += 1);
  const { ostreeFiles } = catalog;
  const known = await KnownFiles.open({
    ...{ ostreeFiles, budgetBytes, maxFiles, clock },
    logger: silent,
  });
  const put = (path: string, bytes: number) => {
    const body = noise(bytes);
    known.put({ path, digest: digestOf(body), size: bytes, body });
  };
  const later = (ms: number): void => {
    nowMs += ms;
  };
  return { known, put, later, ostreeFiles };
}

test('what is put is there at once, and written soon', async () => {
  const { known, put, ostreeFiles } = await openKnown(1_000_000);
  put('a', 100);
  expect((await known.get('a'))?.size).toBe(100);
  expect(known.bytes).toBe(100);
  expect(await ostreeFiles.get('a')).toBeUndefined();
  await known.flush();
  expect((await ostreeFiles.get('a'))?.body).toEqual(noise(100));
  expect((await known.get('a'))?.size).toBe(100);
});

test('the least recently used go once a quarter of the budget is passed', async () => {
  const { known, put, later } = await openKnown(400_000);
  for (let n = 0; n < 900; n += 1) put(`f${n}`, 100);
  await known.flush();
  expect(known.bytes).toBe(90_000);
  later(2 * 3_600_000);
  await known.get('f0');
  for (let n = 0; n < 200; n += 1) put(`g${n}`, 100);
  await known.flush();
  expect(known.bytes).toBeLessThanOrEqual(100_000);
  expect(await known.get('f0')).toBeDefined();
  expect(await known.get('f1')).toBeUndefined();
  expect(await known.get('g199')).toBeDefined();
});

test('there are no more files than the bound', async () => {
  const { known, ostreeFiles } = await openKnown(1e9, 500);
  for (let n = 0; n < 1200; n += 1) {
    known.put({ path: `f${n}`, digest: digestOf(noise(1)), size: 1e6, body: undefined });
  }
  await known.flush();
  expect((await ostreeFiles.totals()).count).toBeLessThanOrEqual(500);
  expect(await known.get('f1199')).toBeDefined();
});

test('what is forgotten is gone, and counts no more', async () => {
  const { known, put } = await openKnown(1_000_000);
  put('a', 100);
  put('b', 50);
  await known.flush();
  const file = await known.get('a');
  if (file === undefined) throw new Error('no file');
  await Promise.all([known.forget(file), known.forget(file)]);
  expect(await known.get('a')).toBeUndefined();
  expect(known.bytes).toBe(50);
});
