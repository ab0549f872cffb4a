import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';

import { openSqlite } from '../../../storage/catalog/database.ts';
import { SQLITE_MIGRATIONS } from '../../../storage/catalog/migrations.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { chunk, chunkedLayer } from '../../suites/catalog/layers.ts';
import { named } from '../../suites/catalog/names.ts';

const BEFORE = SQLITE_MIGRATIONS.filter(({ version }) => version < 12);

test('a catalog in which a chunk had one place keeps it, and takes another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-chunk-places-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'catalog.sqlite');
  const { db } = await openSqlite(path, BEFORE);
  await sql`insert into packs values (${named('old pack')}, 500)`.execute(db);
  await sql`insert into chunks values (${named('c')}, ${named('old pack')}, 30, 10, 20)`.execute(
    db,
  );
  await db.destroy();

  const catalog = await openSqliteCatalog(path, Date.now);
  onTestFinished(() => catalog.close());
  const { layers, gc } = catalog;
  const old = chunk('c', 'old pack', 30);
  expect(await layers.findChunks([old.digest])).toEqual([old]);
  await layers.ensure(named('layer'), 'tar');
  const claim = await layers.claim('w', 1000);
  if (claim === undefined) throw new Error('nothing to claim');
  const fresh = chunk('c', 'layer pack');
  await layers.finish(named('layer'), claim.lease, chunkedLayer('layer', [fresh]));
  const places = await layers.findChunks([old.digest]);
  expect(places).toHaveLength(2);
  expect(places).toEqual(expect.arrayContaining([old, fresh]));
  // The old pack's places go with it, as they did.
  const cutoff = { unnamedBeforeMs: 0, retiredBeforeMs: 0, keptCommits: 10, liveSinceMs: 0 };
  expect(await gc.prune(cutoff, 10)).toMatchObject({ packs: 1 });
  expect(await layers.findChunks([old.digest])).toEqual([fresh]);
});
