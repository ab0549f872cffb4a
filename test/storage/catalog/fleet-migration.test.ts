import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';

import { openSqlite } from '../../../storage/catalog/database.ts';
import { SQLITE_MIGRATIONS } from '../../../storage/catalog/migrations.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { named, REPO, STABLE } from '../../suites/catalog/names.ts';

const BEFORE = SQLITE_MIGRATIONS.filter(({ version }) => version < 6);

test('a catalog from before OSTree devices keeps its devices, decisions and reports', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-fleet-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'catalog.sqlite');
  const { db } = await openSqlite(path, BEFORE);
  await sql`insert into devices values
    ('till-1', ${REPO}, ${STABLE}, 'linux/arm64', 'eu', ${named('v1')}, 7),
    ('till-2', ${REPO}, ${STABLE}, 'linux/arm64', '', null, 8)`.execute(db);
  await sql`insert into decisions values
    ('d1', 'till-1', ${REPO}, ${named('v1')}, ${named('v2')}, 5)`.execute(db);
  await sql`insert into events (decision_id, seq, type, at_ms) values ('d1', 1, 'applied', 6)`.execute(
    db,
  );
  await db.destroy();

  const catalog = await openSqliteCatalog(path, Date.now);
  onTestFinished(() => catalog.close());
  const { fleet } = catalog;
  const facts = { kind: 'oci', product: REPO, channel: STABLE, platform: 'linux/arm64' };
  expect(await fleet.devices({ limit: 9 })).toEqual([
    { id: 'till-1', ...facts, region: 'eu', current: named('v1'), seenMs: 7 },
    { id: 'till-2', ...facts, region: '', seenMs: 8 },
  ]);
  expect(await fleet.decision('d1')).toMatchObject({ kind: 'oci', to: named('v2') });
  expect(await fleet.report('d1', [{ seq: 2, type: 'healthy', atMs: 9 }])).toEqual([2]);
  expect((await fleet.device('till-1', 'oci'))?.current).toBe(named('v2'));
  expect(await fleet.events('d1')).toHaveLength(2);
});
