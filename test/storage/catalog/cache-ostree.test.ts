import { expect, onTestFinished, test } from 'vitest';

import { openCacheCatalog, type CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import { CachedOstreeDocuments } from '../../../storage/catalog/cache-ostree-documents.ts';
import { CACHE_MIGRATIONS } from '../../../storage/catalog/cache-migrations.ts';
import type { CacheSchema } from '../../../storage/catalog/cache-schema.ts';
import { openSqlite } from '../../../storage/catalog/database.ts';
import { digestOf } from '../../../storage/digest.ts';

async function memory(): Promise<CacheCatalog> {
  const catalog = await openCacheCatalog(':memory:');
  onTestFinished(() => catalog.close());
  return catalog;
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('files: written together, counted, the least recently used removed first', async () => {
  const { ostreeFiles } = await memory();
  const file = (path: string, body: Buffer | undefined, usedMs: number) => ({
    ...{ path, digest: digestOf(bytes(path)), size: body?.length ?? 1e6, body, usedMs },
  });
  const [a, b, c] = [
    file('r/a', bytes('aaa'), 1),
    file('r/b', undefined, 2),
    file('r/c', bytes('c'), 3),
  ];
  await ostreeFiles.write([a, b, c], new Map());
  expect(await ostreeFiles.get('r/b')).toEqual(b);
  expect(await ostreeFiles.totals()).toEqual({ count: 3, bytes: 4 });
  await ostreeFiles.write([{ ...c, body: bytes('cc'), size: 2 }], new Map([['r/a', 9]]));
  expect(await ostreeFiles.totals()).toEqual({ count: 3, bytes: 5 });
  await ostreeFiles.deleteOldest(2);
  expect(await ostreeFiles.get('r/a')).toEqual({ ...a, usedMs: 9 });
  expect(await ostreeFiles.delete('r/a')).toBe(true);
  expect(await ostreeFiles.delete('r/a')).toBe(false);
  expect(await ostreeFiles.totals()).toEqual({ count: 0, bytes: 0 });
});

test('documents: as the origin said, also that there is none', async () => {
  const { ostreeDocuments } = await memory();
  const config = { body: bytes('x'), mediaType: 'text/plain', modifiedMs: 5, checkedMs: 1 };
  await ostreeDocuments.put('r/config', config);
  await ostreeDocuments.confirm('r/config', 7);
  expect(await ostreeDocuments.get('r/config')).toEqual({ ...config, checkedMs: 7 });
  await ostreeDocuments.put('r/config', { body: undefined, checkedMs: 8 });
  expect(await ostreeDocuments.get('r/config')).toEqual({ body: undefined, checkedMs: 8 });
  expect(await ostreeDocuments.get('r/other')).toBeUndefined();
});

test('documents past the bounds: those that do not exist go first, then the oldest', async () => {
  const { db } = await openSqlite<CacheSchema>(':memory:', CACHE_MIGRATIONS);
  onTestFinished(() => db.destroy());
  const documents = new CachedOstreeDocuments(db, { count: 10, bytes: 1000 });
  for (let n = 0; n < 6; n += 1) {
    await documents.put(`there ${n}`, { body: bytes('x'), checkedMs: n });
    await documents.put(`none ${n}`, { body: undefined, checkedMs: 100 + n });
  }
  const kept = async (name: string): Promise<string> => {
    const found = [];
    for (let n = 0; n < 6; n += 1) {
      if ((await documents.get(`${name} ${n}`)) !== undefined) found.push(n);
    }
    return found.join('');
  };
  expect([await kept('there'), await kept('none')]).toEqual(['012345', '2345']);
  await documents.put('there 6', { body: Buffer.alloc(899), checkedMs: 200 });
  expect([await kept('there'), await kept('none')]).toEqual(['5', '']);
});

test('summaries: with their own signatures', async () => {
  const { ostreeSummaries } = await memory();
  const pair = {
    ...{ summary: bytes('s'), signatures: bytes('of s'), modifiedMs: 3, checkedMs: 1 },
  };
  await ostreeSummaries.put('r', pair);
  await ostreeSummaries.confirm('r', 4);
  expect(await ostreeSummaries.get('r')).toEqual({ ...pair, checkedMs: 4 });
  const unsigned = { ...pair, signatures: undefined, modifiedMs: undefined };
  await ostreeSummaries.put('r', unsigned);
  expect(await ostreeSummaries.get('r')).toEqual(unsigned);
  expect(await ostreeSummaries.get('other')).toBeUndefined();
});
