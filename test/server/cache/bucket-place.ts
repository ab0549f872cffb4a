import type { StoreConfig } from '../../../server/config.ts';
import type { MinioServer } from '../../clients/minio.ts';

export type BucketConfig = Extract<StoreConfig, { kind: 's3' }>;

/** A fresh bucket as a cache's `store`. */
export async function makeStore(minio: MinioServer): Promise<BucketConfig> {
  const { endpoint, region, accessKey, secretKey } = minio;
  const bucket = await minio.makeBucket();
  return { kind: 's3', endpoint, region, accessKey, secretKey, bucket, prefix: 'eu/' };
}

/** Names of all objects, each of which holds a block. */
export async function blocksIn(
  { client }: MinioServer,
  { bucket }: Pick<BucketConfig, 'bucket'>,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of client.listObjectsV2(bucket, '', true) as AsyncIterable<{
    name: string;
  }>)
    names.push(name);
  return names;
}
