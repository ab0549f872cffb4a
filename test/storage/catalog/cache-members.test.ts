import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';

import { openCacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import { CACHE_MIGRATIONS } from '../../../storage/catalog/cache-migrations.ts';
import type { CacheSchema } from '../../../storage/catalog/cache-schema.ts';
import { CachedMembers } from '../../../storage/catalog/cache-members.ts';
import { openSqlite } from '../../../storage/catalog/database.ts';
import { digestOf } from '../../../storage/digest.ts';

const named = (name: string) => digestOf(Buffer.from(name));

test('a folder of before there were registries opens, and what it holds is the origin’s', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-cache-before-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'cache.sqlite');
  const before = new BetterSqlite3(path);
  for (const { statements } of CACHE_MIGRATIONS.filter(({ version }) => version <= 2)) {
    for (const statement of statements) before.exec(statement);
  }
  before.exec('create table if not exists marker (x)');
  before.pragma('user_version = 2');
  before.exec(`insert into tags values ('demo/app', 'v1', '${named('m')}', 5)`);
  before.exec(`insert into objects values ('${named('b')}', 10, 10, 1, 1)`);
  before.exec(
    `insert into reports (decision, device, body, created_ms) values ('d', 'x', x'7b7d', 1)`,
  );
  before.close();
  const catalog = await openCacheCatalog(path);
  onTestFinished(() => catalog.close());
  const { manifests, members, reports } = catalog;
  const tag = await manifests.getTag({ registry: '', repo: 'demo/app' }, 'v1');
  expect(tag).toEqual({ digest: named('m'), checkedMs: 5 });
  expect(await manifests.getTag({ registry: 'ghcr.io', repo: 'demo/app' }, 'v1')).toBeUndefined();
  expect(await reports.oldest()).toMatchObject({ device: 'x', region: undefined });
  expect(await members.any()).toBe(false);
  // A registry has it as well: it stays the origin's.
  await members.put({ registry: 'ghcr.io', repo: 'org/app', digest: named('b') }, 7);
  expect(await members.isForeign(named('b'))).toBe(false);
});

test('what came from a registry is foreign until the origin has it; a revoked row still says so', async () => {
  const { members, objects } = await openCacheCatalog(':memory:');
  const member = { registry: 'ghcr.io', repo: 'org/app', digest: named('b') };
  expect([await members.isForeign(member.digest), await members.has(member)]).toEqual([
    false,
    false,
  ]);
  await members.put(member, 7);
  await objects.put({ digest: member.digest, size: 1, bytes: 1, complete: true }, 1);
  expect([await members.isForeign(member.digest), await members.has(member)]).toEqual([true, true]);
  expect(await members.has({ ...member, repo: 'org/other' })).toBe(false);
  await members.put({ ...member, registry: 'docker.io' }, 8);
  await members.revoke(member);
  expect([await members.isForeign(member.digest), await members.has(member)]).toEqual([
    true,
    false,
  ]);
  await members.putOrigin(member.digest, 9);
  expect(await members.isForeign(member.digest)).toBe(false);
});

test('the bound takes only rows of what is not here', async () => {
  const { db } = await openSqlite<CacheSchema>(':memory:', CACHE_MIGRATIONS);
  onTestFinished(() => db.destroy());
  const members = new CachedMembers(db, 2);
  const member = (n: number) => ({ registry: 'ghcr.io', repo: 'r', digest: named(`${n}`) });
  for (let n = 1; n <= 5; n += 1) await members.put(member(n), n);
  const insert = { digest: named('1'), size: 1, bytes: 1, complete: 1, used_ms: 1 };
  await db.insertInto('objects').values(insert).execute();
  await members.enforce();
  const left = await Promise.all([1, 2, 3, 4, 5].map((n) => members.has(member(n))));
  expect(left).toEqual([true, false, false, true, true]);
});
