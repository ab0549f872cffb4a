import { openS3Store, type S3Options } from '../../storage/drivers/s3.ts';
import type { S3Patience } from '../../storage/drivers/s3-connection.ts';
import type { ObjectKey } from '../../storage/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { startMinio, type MinioServer } from '../clients/minio.ts';
import { startS3FaultProxy, type S3FaultProxy } from './s3-fault-proxy.ts';

const PATIENCE: S3Patience = { baseDelayMs: 5 };

/** A store that reaches a real MinIO through a proxy that spoils requests. */
export interface S3World {
  readonly minio: MinioServer;
  readonly proxy: S3FaultProxy;
  readonly bucket: string;
  /** A store with a retry budget of its own, which no request has touched yet; faults end. */
  readonly openStore: (patience?: S3Patience) => Promise<ObjectStore>;
  /** The same bucket without the proxy between. */
  readonly direct: ObjectStore;
  /** Settings of {@link openStore}: short pauses. */
  readonly options: S3Options;
  /** Unfinished multipart uploads of that very key: MinIO lists no others. */
  unfinished(key: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openS3World(minioPath: string): Promise<S3World> {
  const minio = await startMinio(minioPath);
  const proxy = await startS3FaultProxy(minio.endpoint);
  const bucket = await minio.makeBucket();
  const { region, accessKey, secretKey } = minio;
  const account = { region, accessKey, secretKey, bucket, prefix: '' };
  const options = {
    ...account,
    endpoint: proxy.url,
    patience: PATIENCE,
  };
  const direct = await openS3Store({ ...account, endpoint: minio.endpoint });
  return {
    minio,
    proxy,
    bucket,
    async openStore(patience = {}) {
      proxy.mend();
      const store = await openS3Store({ ...options, patience: { ...PATIENCE, ...patience } });
      proxy.mend();
      return store;
    },
    direct,
    options,
    async unfinished(key) {
      const { client } = minio;
      const { uploads } = await client.listIncompleteUploadsQuery(bucket, key, '', '', '');
      return uploads.map(({ uploadId }) => uploadId);
    },
    async close() {
      await proxy.close();
      await minio.stop();
    },
  };
}

/** Keys as a list tells them. */
export async function keysBelow(store: ObjectStore, prefix: string): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}
