import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openCacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { openS3Store } from '../../../storage/drivers/s3.ts';
import { sparsePrefix, type ObjectKey } from '../../../storage/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { BucketStore } from '../../../storage/sparse/bucket-store.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { collect } from '../../suites/object-store.ts';
import { describeSparseStore } from '../../suites/sparse-store.ts';

/** Of properties; each block is a request or two. */
const RUNS = { runs: 3 };

const minioPath = needTool('minio');

describe.skipIf(minioPath === undefined)('over MinIO', () => {
  let minio: MinioServer;
  beforeAll(async () => {
    minio = await startMinio(minioPath ?? '');
  });
  afterAll(async () => {
    await minio.stop();
  });

  /** A cache's part of a bucket. */
  async function openPart(bucket: string) {
    const { endpoint, region, accessKey, secretKey } = minio;
    const account = { endpoint, region, accessKey, secretKey };
    const objects = await openS3Store({ ...account, bucket, prefix: 'caches/' });
    const catalog = await openCacheCatalog(':memory:');
    const { maps } = catalog;
    const owner = await maps.owner();
    const store = new BucketStore({ objects, maps, owner });
    const keys = (digest?: Digest) => keysOf(objects, sparsePrefix(owner, digest));
    return { objects, catalog, maps, store, keys };
  }

  describeSparseStore(
    'bucket',
    async () => {
      const { objects, catalog, maps, store, keys } = await openPart(await minio.makeBucket());
      const blockKey = async (digest: Digest, block: number): Promise<ObjectKey> => {
        const name = block.toString().padStart(16, '0');
        const key = (await keys(digest)).find((one) => one.split('/').at(-1)?.startsWith(name));
        if (key === undefined) throw new Error(`no block ${block}`);
        return key;
      };
      const digests = new Set<Digest>();
      return {
        store: {
          open: (digest, size) => {
            digests.add(digest);
            return store.open(digest, size);
          },
          readMap: (digest, size) => store.readMap(digest, size),
        },
        async damage(digest, block) {
          const key = await blockKey(digest, block);
          const bytes = await collect(await objects.open(key));
          bytes[17] = (bytes[17] ?? 0) ^ 0xff;
          await objects.delete(key);
          await objects.put(key, [bytes]);
        },
        lose: async (digest, block) => objects.delete(await blockKey(digest, block)),
        async spoilMap(digest, how) {
          const map = await maps.get(digest);
          if (map === undefined) throw new Error('no map');
          if (how === 'cut') await maps.put(digest, map.subarray(0, 50));
          else if (how === 'foreign') await maps.put(digest, Buffer.alloc(40, 7));
          else {
            map[30] = (map[30] ?? 0) ^ 0xff;
            await maps.put(digest, map);
          }
        },
        async count() {
          const rows = await Promise.all([...digests].map((digest) => maps.get(digest)));
          return (await keys()).length + rows.filter((row) => row !== undefined).length;
        },
        close: () => catalog.close(),
      };
    },
    RUNS,
  );

  test('two caches over one bucket have nothing to do with each other', async () => {
    const bucket = await minio.makeBucket();
    const [one, other] = [await openPart(bucket), await openPart(bucket)];
    const bytes = Buffer.alloc(BLOCK_BYTES + 5, 3);
    const digest = digestOf(bytes);
    const blobs = [];
    for (const { store } of [one, other]) {
      const blob = await store.open(digest, bytes.length);
      expect(blob.presentBytes).toBe(0);
      await blob.write(0, bytes);
      blobs.push(blob);
    }
    await blobs[0]?.remove();
    expect([(await one.keys()).length, (await other.keys()).length]).toEqual([0, 2]);
    expect(await blobs[1]?.verify()).toBe(true);
    await blobs[1]?.close();
    for (const { catalog } of [one, other]) await catalog.close();
  });

  test('blocks that a crash left without a map are taken over', async () => {
    const part = await openPart(await minio.makeBucket());
    const bytes = Buffer.alloc(2 * BLOCK_BYTES, 5);
    const digest = digestOf(bytes);
    const before = await part.store.open(digest, bytes.length);
    await before.write(0, bytes.subarray(0, BLOCK_BYTES));
    const after = await part.store.open(digest, bytes.length);
    expect(after.presentBytes).toBe(0);
    await after.write(0, bytes);
    expect(await after.verify()).toBe(true);
    expect(await part.keys()).toHaveLength(2);
    await after.remove();
    expect(await part.keys()).toEqual([]);
    await part.catalog.close();
  });
});

async function keysOf(objects: ObjectStore, prefix: string): Promise<readonly ObjectKey[]> {
  const keys: ObjectKey[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}
