import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { sql, type Kysely } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openSqlite } from '../../../storage/catalog/database.ts';
import { SQLITE_MIGRATIONS } from '../../../storage/catalog/migrations.ts';
import type { Schema } from '../../../storage/catalog/schema.ts';
import { SqlRepositories } from '../../../storage/catalog/sql/repositories.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { manifest, named, REPO, STABLE } from '../../suites/catalog/names.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-catalog-'));
  path = join(folder, 'catalog.sqlite');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('opening', () => {
  test('a catalog of a newer program is refused and left as it is', async () => {
    await (await openSqliteCatalog(path, Date.now)).close();
    const database = new BetterSqlite3(path);
    database.pragma('user_version = 99');
    database.close();
    await expect(openSqliteCatalog(path, Date.now)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('schema 99') as string,
    });
    const after = new BetterSqlite3(path);
    expect(after.pragma('user_version', { simple: true })).toBe(99);
    after.close();
  });

  test('a file that is no database, and a folder, are unavailable', async () => {
    await writeFile(path, 'not a database, but long enough to look like one'.repeat(100));
    await expect(openSqliteCatalog(path, Date.now)).rejects.toMatchObject({ code: 'unavailable' });
    const other = join(folder, 'folder');
    await mkdir(other);
    await expect(openSqliteCatalog(other, Date.now)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('rows survive closing and opening again', async () => {
    const first = await openSqliteCatalog(path, Date.now);
    await first.repositories.putManifest(REPO, manifest('m'), [], STABLE);
    await first.close();
    const second = await openSqliteCatalog(path, Date.now);
    expect(await second.repositories.resolveTag(REPO, STABLE)).toBe(named('m'));
    await second.close();
  });
});

describe('a failing database', () => {
  let db: Kysely<Schema>;
  let repositories: SqlRepositories;

  beforeEach(async () => {
    ({ db } = await openSqlite<Schema>(path, SQLITE_MIGRATIONS));
    repositories = new SqlRepositories({ db, engine: 'sqlite', clock: Date.now });
  });

  afterEach(async () => {
    await db.destroy();
  });

  /** A manifest of many rows: one transaction that needs new pages. */
  async function putLarge(name: string): Promise<void> {
    const children = Array.from({ length: 2000 }, (_, n) => ({
      digest: named(`${name} ${n}`),
      kind: 'layer' as const,
    }));
    await repositories.putManifest(REPO, manifest(name), children, STABLE);
  }

  test('a full disk is no_space, leaves nothing half-done, and heals', async () => {
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(db);
    const pages = (rows[0]?.page_count ?? 0) + 20;
    await sql.raw(`pragma max_page_count = ${pages}`).execute(db);
    await expect(putLarge('m')).rejects.toMatchObject({ code: 'no_space' });
    expect(await repositories.getManifest(REPO, named('m'))).toBeUndefined();
    expect(await repositories.exists(REPO)).toBe(false);
    await sql.raw(`pragma max_page_count = 1000000`).execute(db);
    await putLarge('m');
    expect(await repositories.children(REPO, named('m'))).toHaveLength(2000);
  });

  test('a transaction that SQLite rolled back itself fails with its own error', async () => {
    const insert = sql`insert or rollback into repositories values ('same', 1)`;
    const twice = db.transaction().execute(async (tx) => {
      await insert.execute(tx);
      await insert.execute(tx);
    });
    await expect(twice).rejects.toMatchObject({ code: 'conflict' });
    await repositories.linkBlob(REPO, named('b'), 1);
  });

  test('a database that another process keeps locked is unavailable, and worth another try', async () => {
    await sql`pragma busy_timeout = 1`.execute(db);
    const other = new BetterSqlite3(path);
    other.exec('begin immediate');
    const blocked = repositories.linkBlob(REPO, named('b'), 1);
    await expect(blocked).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(await repositories.hasBlob(REPO, named('b'))).toBe(false);
    other.exec('rollback');
    other.close();
    await repositories.linkBlob(REPO, named('b'), 1);
  });
});
