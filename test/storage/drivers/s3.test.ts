import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openS3Store, type S3Options } from '../../../storage/drivers/s3.ts';
import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { blob, describeObjectStore, read } from '../../suites/object-store.ts';

const minio = needTool('minio');

if (minio === undefined) {
  describe.skip('object store: s3 (no minio)', () => {
    it('needs minio', () => undefined);
  });
} else {
  describeObjectStore(
    's3',
    async () => {
      const server = await startMinio(minio);
      const options = await freshBucket(server);
      return {
        store: await openS3Store(options),
        another: () => openS3Store(options),
        close: () => server.stop(),
      };
    },
    // More than two parts of a multipart upload.
    { largeBytes: 34_000_000 },
  );

  describe('s3 faults that MinIO shows', () => {
    let server: MinioServer;
    beforeAll(async () => {
      server = await startMinio(minio);
    });
    afterAll(async () => {
      await server.stop();
    });

    it('leaves no multipart upload behind after a lie', async () => {
      const options = await freshBucket(server);
      const store = await openS3Store(options);
      const { bytes, key } = blob(20_000_000);
      await expect(
        store.put(key, [bytes], { expected: { digest: blob(1).digest } }),
      ).rejects.toMatchObject({ code: 'digest_mismatch' });
      // MinIO lists unfinished uploads only by their exact name.
      const { uploads } = await server.client.listIncompleteUploadsQuery(
        options.bucket,
        options.prefix + key,
        '',
        '',
        '',
      );
      expect(uploads).toEqual([]);
    });

    it('says which bucket is missing, at open and later', async () => {
      const options = await freshBucket(server);
      await expect(openS3Store({ ...options, bucket: 'no-such-bucket' })).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('NoSuchBucket') as string,
      });
      const store = await openS3Store(options);
      await server.client.removeBucket(options.bucket);
      const { bytes, key } = blob(10);
      const unavailable = {
        code: 'unavailable',
        message: expect.stringContaining('NoSuchBucket') as string,
      };
      await expect(store.stat(key)).rejects.toMatchObject(unavailable);
      await expect(store.open(key)).rejects.toMatchObject(unavailable);
      await expect(store.put(key, [bytes])).rejects.toMatchObject(unavailable);
      await expect(store.list('blobs/')[Symbol.asyncIterator]().next()).rejects.toMatchObject(
        unavailable,
      );
    });

    it('reports refused credentials without showing them', async () => {
      const options = await freshBucket(server);
      const secretKey = 'a-secret-nobody-may-see';
      const error: unknown = await openS3Store({ ...options, secretKey }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('SignatureDoesNotMatch') as string,
      });
      expect(String(error)).not.toContain(secretKey);
      expect(String(error)).not.toContain(options.accessKey);
    });

    it('gives an old object a new age when it is stored again', async () => {
      const options = await freshBucket(server);
      const { bytes, key } = blob(10);
      await (await openS3Store(options)).put(key, [bytes]);
      const later = await openS3Store(options, () => Date.now() + 3_600_000);
      const before = await later.stat(key);
      // S3 tells times in whole seconds.
      await sleep(1100);
      expect(await later.put(key, [bytes])).toEqual({ size: 10, created: false });
      expect((await later.stat(key))?.modifiedMs).toBeGreaterThan(before?.modifiedMs ?? Infinity);
      expect(await read(later, key)).toEqual(bytes);
    });

    it('keeps to its prefix', async () => {
      const options = await freshBucket(server);
      const [one, two] = [
        await openS3Store(options),
        await openS3Store({ ...options, prefix: '' }),
      ];
      const { bytes, key } = blob(10);
      await one.put(key, [bytes]);
      expect(await two.stat(key)).toBeUndefined();
      await expect(two.list('')[Symbol.asyncIterator]().next()).resolves.toMatchObject({
        done: true,
      });
      expect(await read(one, key)).toEqual(bytes);
    });
  });
}

async function freshBucket(server: MinioServer): Promise<S3Options> {
  const { endpoint, region, accessKey, secretKey } = server;
  return {
    endpoint,
    region,
    accessKey,
    secretKey,
    bucket: await server.makeBucket(),
    prefix: 'some/prefix/',
  };
}
