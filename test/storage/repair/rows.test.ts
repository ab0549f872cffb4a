import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import BetterSqlite3 from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';

import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { digestOf } from '../../../storage/digest.ts';
import { StoreRepair } from '../../../storage/fsck/repair.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { parseTag } from '../../../storage/names.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { noise, tar } from '../chunk/material.ts';
import { file, incoming, smallCommit } from '../ostree/objects.ts';
import { OstreeWorld, STABLE } from '../ostree/ostree-world.ts';

/** A layer and a commit, and rows that a hand changes behind the foreign keys' back. */
async function world(statement: string) {
  const { store, scratch, options } = await bound();
  const catalog = await openSqliteCatalog(join(scratch, 'rows.sqlite'), store.clock);
  onTestFinished(() => catalog.close());
  const { blobs, objects, clock } = store;
  const layer = gzipSync(tar({ a: noise(300_000, 'a') }), { level: 1 });
  const digest = digestOf(layer);
  await blobs.putBytes(layer);
  await catalog.repositories.linkBlob(REPO, digest, layer.length);
  await catalog.layers.ensure(digest, 'tar');
  const claim = await catalog.layers.claim('w', 60_000);
  if (claim === undefined) throw new Error('nothing waits');
  const chunked = await ingestLayer({ blobs, layers: catalog.layers, digest, scratch });
  await catalog.layers.finish(digest, claim.lease, chunked);
  const manifest = await blobs.putBytes(Buffer.from('manifest'));
  const children = [{ digest, kind: 'layer' as const }];
  const row = { ...manifest, mediaType: 'application/x' };
  await catalog.repositories.putManifest(REPO, row, children, parseTag('stable'));
  const commit = smallCommit('one', [file('hi\n'), file(noise(200_000, 'b'))]);
  await writeObjects(incoming(commit), { ...options(), catalog });
  await catalog.ostree.moveRef(REPO, STABLE, commit[0].name.checksum, undefined);
  const database = new BetterSqlite3(join(scratch, 'rows.sqlite'));
  database.pragma('foreign_keys = OFF');
  expect(database.prepare(statement).run().changes).toBeGreaterThan(0);
  database.close();
  const check = (quick: boolean, repair?: StoreRepair) =>
    checkStore({ objects, catalog, quick, repair });
  return {
    layer: digest,
    catalog,
    check,
    repair: () => check(false, new StoreRepair({ objects, catalog, clock, scratch })),
  };
}

async function bound() {
  const { store, scratch, ...rest } = await OstreeWorld.open();
  return { store, scratch, ...rest, options: () => ({ blobs: store.blobs, repo: REPO, scratch }) };
}

const GONE = 'digest = (select pack from layer_packs limit 1)';

test.each([
  ['a link to no upload', `insert into upload_parts values ('x', 0, 1, 'sha256:00')`, 'dangling'],
  ['a layer is gone', `insert into layer_packs select 'sha256:11', digest from packs`, 'dangling'],
  ['the row of a pack is gone', `delete from packs where ${GONE}`, 'dangling'],
  ['an object is gone', `insert into ostree_repo_objects values ('a', 999, 1)`, 'dangling'],
  [
    'a manifest is gone, its names are there',
    `insert into manifest_children (repo, parent, position, digest, kind)
      values ('a/b', 'sha256:22', 0, 'sha256:33', 'layer')`,
    'dangling',
  ],
  [
    'files of a delta that is gone',
    `insert into ostree_delta_files select 77, 'x', digest, size from packs limit 1`,
    'dangling',
  ],
  ['a pack in use is not named', `delete from layer_packs`, 'wrong_row'],
  ['a chunk has no place', `delete from chunks where first_byte = 16`, 'wrong_row'],
  ['a chunk has a wrong place', `update chunks set first_byte = first_byte + 1`, 'wrong_row'],
  ['a size is wrong', `update repo_blobs set size = size + 1`, 'wrong_size'],
  ['the size of a pack is wrong', `update packs set size = size - 1`, 'wrong_size'],
  ['the size of an index is wrong', `update layers set index_size = 1`, 'wrong_size'],
])('%s: found, and mended', async (_what, statement, kind) => {
  const { check, repair } = await world(statement);
  const found = (await check(false)).faults;
  expect([...new Set(found.map((fault) => fault.kind))]).toEqual([kind]);
  const mended = (await repair()).faults;
  expect(mended.map((fault) => fault.repair?.repaired)).toEqual(mended.map(() => true));
  expect((await check(false)).faults).toEqual([]);
});

test('a tag to nowhere stays for its owner to decide', async () => {
  const { check, repair } = await world(`insert into tags values ('a/b', 'old', 'sha256:44', 1)`);
  expect((await repair()).faults).toMatchObject([
    { kind: 'dangling', repair: { repaired: false } },
  ]);
  expect((await check(true)).faults).toHaveLength(1);
});

test('an object that names one without a row is pushed again', async () => {
  const { check, repair } = await world(
    `delete from ostree_objects where kind = 'file' and size = 3`,
  );
  const found = (await check(true)).faults.map(({ kind }) => kind);
  expect(found).toContain('dangling');
  await repair();
  const left = (await check(false)).faults;
  expect(left.map(({ kind, subject }) => [kind, subject.split(' ')[0]])).toEqual([
    ['missing', 'dirtree'],
  ]);
});
