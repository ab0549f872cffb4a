import { join } from 'node:path';

import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';

import { createManifestReader } from '../../../server/oci/manifest-reader.ts';
import type { ManifestChild } from '../../../storage/catalog/repository-catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { StoreRepair } from '../../../storage/fsck/repair.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { parseTag } from '../../../storage/names.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { OstreeWorld } from '../ostree/ostree-world.ts';

const { ociManifest, ociIndex, ociLayerTar, ociConfig } = MEDIA_TYPES;
const BLOB_TYPE = 'application/vnd.buildkit.cacheconfig.v0';
const readManifest = createManifestReader();

const describeBlob = (mediaType: string, digest: Digest, size: number) => ({
  mediaType,
  digest,
  size,
});

/** An image with a subject, in an index that also holds a blob; rows as pushes leave them. */
async function world() {
  const { store, scratch } = await OstreeWorld.open();
  const path = join(scratch, 'rows.sqlite');
  let catalog = await openSqliteCatalog(path, store.clock);
  const { blobs, objects, clock } = store;
  const { repositories } = catalog;
  const push = async (text: string) => {
    const { digest, size } = await blobs.putBytes(Buffer.from(text));
    await repositories.linkBlob(REPO, digest, size);
    return { digest, size };
  };
  const put = async (
    mediaType: string,
    document: object,
    facts: { subject?: Digest; artifactType?: string; annotations?: Record<string, string> },
    children: readonly ManifestChild[],
  ) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }));
    const { digest, size } = await blobs.putBytes(bytes);
    const row = { digest, size, mediaType, ...facts };
    await repositories.putManifest(REPO, row, children, parseTag('stable'));
    return { digest, size };
  };
  const config = await push('{}');
  const layers = [await push('one'), await push('two')];
  const foreign = await push('cache');
  const subject = digestOf(Buffer.from('subject'));
  const annotations = { b: '1', a: '2' };
  const image = await put(
    ociManifest,
    {
      config: describeBlob(ociConfig, config.digest, config.size),
      // One of them twice, which rows name once.
      layers: [...layers, ...layers.slice(0, 1)].map(({ digest, size }) =>
        describeBlob(ociLayerTar, digest, size),
      ),
      subject: describeBlob(ociManifest, subject, 7),
      annotations,
    },
    { subject, artifactType: ociConfig, annotations },
    [
      { digest: config.digest, kind: 'config' },
      ...layers.map(({ digest }) => ({ digest, kind: 'layer' as const, tarType: ociLayerTar })),
    ],
  );
  await put(
    ociIndex,
    {
      manifests: [
        describeBlob(ociManifest, image.digest, image.size),
        describeBlob(BLOB_TYPE, foreign.digest, foreign.size),
      ],
    },
    {},
    [
      { digest: image.digest, kind: 'manifest' },
      { digest: foreign.digest, kind: 'layer' },
    ],
  );
  await catalog.close();
  return {
    image: image.digest,
    layers,
    /** Changes rows behind the catalog's back. */
    run: (statement: string): void => {
      const database = new BetterSqlite3(path);
      database.pragma('foreign_keys = OFF');
      expect(database.prepare(statement).run().changes).toBeGreaterThan(0);
      database.close();
    },
    check: async (repairs = false) => {
      catalog = await openSqliteCatalog(path, clock);
      const repair = repairs ? new StoreRepair({ objects, catalog, clock, scratch }) : undefined;
      const { faults } = await checkStore({ objects, catalog, readManifest, quick: false, repair });
      const rows = await catalog.repositories.children(REPO, image.digest);
      const waiting = await catalog.layers.claim('w', 1000);
      await catalog.close();
      return { faults, rows, waiting };
    },
  };
}

const IMAGE = `parent = (select digest from manifests where subject is not null)`;

test.each([
  ['a child is lost', `delete from manifest_children where ${IMAGE} and position = 1`],
  ['all are lost', `delete from manifest_children where ${IMAGE}`],
  ['another order', `update manifest_children set position = 9 - position where ${IMAGE}`],
  ['another kind', `update manifest_children set kind = 'layer' where ${IMAGE} and position = 0`],
  [
    'another type of layer',
    `update manifest_children set tar_type = 'x/y' where ${IMAGE} and position = 1`,
  ],
  [
    'a child too many',
    `insert into manifest_children (repo, parent, position, digest, kind)
      select repo, parent, 3, digest, 'config' from manifest_children where ${IMAGE} and position = 1`,
  ],
  ['an index lost its image', `delete from manifest_children where kind = 'manifest'`],
  [
    'an index lost its blob',
    `delete from manifest_children where kind = 'layer' and tar_type is null`,
  ],
  ['no subject', `update manifests set subject = null where subject is not null`],
  ['another type', `update manifests set media_type = '${ociIndex}' where subject is not null`],
  ['no artifact type', `update manifests set artifact_type = null where subject is not null`],
  ['other annotations', `update manifests set annotations = '{"a":"2"}' where subject is not null`],
])('%s: found, and mended', async (_what, statement) => {
  const { check, run } = await world();
  const before = await check();
  expect(before.faults).toEqual([]);
  run(statement);
  expect((await check()).faults).toMatchObject([{ kind: 'wrong_row' }]);
  expect((await check(true)).faults).toMatchObject([{ repair: { repaired: true } }]);
  const after = await check();
  expect(after.faults).toEqual([]);
  expect(after.rows).toEqual(before.rows);
});

test('layers that rows name again are chunked', async () => {
  const { check, run, layers } = await world();
  run(`delete from manifest_children where ${IMAGE}`);
  run('delete from layers');
  expect((await check()).waiting).toBeUndefined();
  await check(true);
  const { waiting } = await check();
  expect(layers.map(({ digest }) => digest)).toContain(waiting?.layer.digest);
});

test('rows of an older catalog, and those of a blob that is a manifest by now, are right', async () => {
  const { check, run } = await world();
  run(`update manifest_children set tar_type = null where ${IMAGE} and position > 0`);
  run(
    `update manifest_children set kind = 'manifest' where digest = '${digestOf(Buffer.from('cache'))}'`,
  );
  expect((await check()).faults).toEqual([]);
});
