import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';

import { openSqlite } from '../../storage/catalog/database.ts';
import { SQLITE_MIGRATIONS } from '../../storage/catalog/migrations.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { digestOf } from '../../storage/digest.ts';
import { REPO } from '../suites/catalog/names.ts';
import { spawnTypescript } from '../support/typescript-child.ts';

const CHILD = join(import.meta.dirname, 'migrate-child.ts');
/** Released long ago. */
const OLD = 3;
/** Statements are alike to a transaction: so many of them are visited, spread over all. */
const VISITED = 5;

test('killed in the middle of a migration, the catalog is the old one, and migrates later', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-migrate-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const statements = SQLITE_MIGRATIONS.slice(OLD).flatMap((step) => step.statements).length;
  const digest = digestOf(Buffer.from('blob'));
  // The last one is killed once the migration is committed.
  const points = Array.from({ length: VISITED }, (_, n) =>
    Math.ceil(((n + 1) * (statements + 1)) / VISITED),
  );
  for (const killAt of points) {
    const path = join(dir, `${killAt}.sqlite`);
    const { db, raw } = await openSqlite(path, SQLITE_MIGRATIONS.slice(0, OLD));
    raw.prepare('insert into repositories values (?, 1)').run(REPO);
    raw.prepare('insert into repo_blobs values (?, ?, 4, 1)').run(REPO, digest);
    await db.destroy();
    const child = spawnTypescript(CHILD, [path, String(killAt)]);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);

    const after = new BetterSqlite3(path);
    const newest = SQLITE_MIGRATIONS.at(-1)?.version;
    const version = after.pragma('user_version', { simple: true });
    expect(version).toBe(killAt > statements ? newest : OLD);
    expect(after.pragma('integrity_check', { simple: true })).toBe('ok');
    after.close();
    const catalog = await openSqliteCatalog(path, Date.now);
    expect(await catalog.repositories.hasBlob(REPO, digest)).toBe(true);
    await catalog.close();
  }
  process.stdout.write(
    `a migration of ${statements} statements was killed at ${points.join(', ')}\n`,
  );
});
