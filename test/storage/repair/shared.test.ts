import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';

import { readBlob } from '../../../storage/blob-store.ts';
import { openPostgresCatalog } from '../../../storage/catalog/postgres/catalog.ts';
import type { Digest } from '../../../storage/digest.ts';
import { openS3Store } from '../../../storage/drivers/s3.ts';
import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { runRivulet } from '../../clients/rivulet.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { needPostgres, startPostgres, type PostgresServer } from '../../support/postgres.ts';
import { RepairWorld } from './repair-world.ts';

const minioPath = needTool('minio');
const postgresBin = needPostgres();

describe.skipIf(minioPath === undefined || postgresBin === undefined)(
  'repair over MinIO and PostgreSQL',
  () => {
    let minio: MinioServer;
    let postgres: PostgresServer;
    let template: string;
    let bucket: string;
    let url: string;

    beforeAll(async () => {
      [minio, postgres] = await Promise.all([
        startMinio(minioPath ?? ''),
        startPostgres(postgresBin ?? ''),
      ]);
      template = await postgres.makeDatabase();
      await (await openPostgresCatalog({ url: template, poolSize: 1 }, Date.now)).close();
    });
    afterAll(async () => {
      await minio.stop();
      await postgres.stop();
    });
    beforeEach(async () => {
      bucket = await minio.makeBucket();
      url = await postgres.makeDatabase(template);
    });

    const open = (): Promise<RepairWorld> =>
      RepairWorld.open(async (clock) => {
        const { endpoint, region, accessKey, secretKey } = minio;
        const account = { endpoint, region, accessKey, secretKey };
        const objects = await openS3Store({ ...account, bucket, prefix: 'origin/' }, clock);
        return { objects, catalog: await openPostgresCatalog({ url, poolSize: 4 }, clock) };
      });

    /** Names in the bucket's quarantine, of the blobs that they were. */
    async function quarantined({ world }: RepairWorld): Promise<readonly string[]> {
      const names: string[] = [];
      for await (const { key } of world.store.objects.list('quarantine/')) {
        names.push(`sha256:${key.split('/')[2] ?? ''}`);
      }
      return names.sort();
    }

    test('the command line puts a damaged pack, index and layer aside and makes them again', async () => {
      const world = await open();
      const { chunked, plain } = world;
      if (chunked.pack === undefined) throw new Error('no pack');
      const made = [chunked.pack.digest, chunked.index.digest, plain].sort();
      for (const digest of made) await world.damage(digest, 'flip');
      const data = await mkdtemp(join(tmpdir(), 'rivulet-fsck-'));
      onTestFinished(() => rm(data, { recursive: true, force: true }));
      const { code, stdout } = await runRivulet(['fsck', '--repair', '--data', data], {
        RIVULET_STORE_KIND: 's3',
        RIVULET_STORE_ENDPOINT: minio.endpoint,
        RIVULET_STORE_BUCKET: bucket,
        RIVULET_STORE_PREFIX: 'origin/',
        RIVULET_STORE_ACCESS_KEY: minio.accessKey,
        RIVULET_STORE_SECRET_KEY: minio.secretKey,
        RIVULET_CATALOG_URL: url,
      });
      expect([code, stdout]).toEqual([0, expect.stringMatching(/(\d+) faults, \1 mended/)]);
      for (const digest of made) expect(stdout).toContain(`corrupt: ${digest}`);
      expect(await quarantined(world)).toEqual(made);
      // Byte for byte: each blob is read through its digest.
      expect(await world.check()).toEqual([]);
    });

    test('what nobody has waits for a push, what a server has is fetched', async () => {
      const world = await open();
      const { blobs, catalog } = world.world.store;
      const { config, layer } = world;
      const bytes = await readBlob(blobs, config, { maxBytes: 100 });
      const gzip = await readBlob(blobs, layer, { maxBytes: 1e7 });
      await world.damage(config, 'cut', 3);
      await blobs.delete(layer);
      const elsewhere = (digest: Digest) =>
        Promise.resolve(digest === config ? [Buffer.from('lies')] : [gzip]);
      const faults = await world.repair({ elsewhere });
      const did = new Map(faults.map(({ subject, repair }) => [subject, repair]));
      expect(did.get(layer)).toEqual({ repaired: true, did: 'fetched again' });
      expect(did.get(config)).toMatchObject({ repaired: false });
      expect(await quarantined(world)).toEqual([config]);
      expect((await world.check()).map(({ kind, subject }) => [kind, subject])).toEqual([
        ['missing', config],
      ]);
      const { size, created } = await blobs.put(config, [bytes]);
      await catalog.repositories.linkBlob(REPO, config, size, { created });
      expect(await world.check()).toEqual([]);
    });

    test('a damaged pack of objects keeps what is right in it', async () => {
      const world = await open();
      const { catalog } = world.world.store;
      const big = world.commit.find(({ content }) => content.length === 900_000);
      if (big === undefined) throw new Error('no big file');
      const hurt = (await catalog.ostree.chunksOf(big.name))[3];
      if (hurt === undefined) throw new Error('no chunk');
      await world.damage(await world.ostreePack(), 'flip', hurt.offset + 50);
      await world.repair();
      for (const object of world.commit) {
        if (object === big) continue;
        expect((await world.world.read(object)).equals(object.content)).toBe(true);
      }
      expect((await world.check()).map(({ subject }) => subject)).toEqual([
        formatObjectName(big.name),
      ]);
      await world.world.write([big]);
      expect(await world.check()).toEqual([]);
    });

    test('rows that foreign keys would have refused are found, and mended', async () => {
      const world = await open();
      for (const statement of [
        'delete from packs where digest = (select pack from layer_packs limit 1)',
        `insert into ostree_repo_objects values ('a', 999, 1)`,
        'update chunks set first_byte = first_byte + 1 where first_byte > 16',
        'update repo_blobs set size = size + 1',
      ]) {
        await postgres.run(url, `set session_replication_role = replica; ${statement}`);
      }
      const mended = await world.repair();
      expect([...new Set(mended.map(({ kind }) => kind))].sort()).toEqual([
        'dangling',
        'wrong_row',
        'wrong_size',
      ]);
      expect(mended.map(({ repair }) => repair?.repaired)).toEqual(mended.map(() => true));
      expect(await world.check()).toEqual([]);
    });
  },
);
