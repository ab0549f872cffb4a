import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import type { ObjectStore } from '../../../storage/object-store.ts';
import { startMinio } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { startLiveCache, startLiveOrigin, type LiveOrigin } from '../live-servers.ts';

const minio = needTool('minio');

describe('/readyz', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-ready-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function start(settings: Readonly<Record<string, unknown>> = {}): Promise<LiveOrigin> {
    const origin = await startLiveOrigin(dir, settings);
    onTestFinished(origin.close);
    return origin;
  }

  /** Status, type, code and what failed of both probes. */
  async function probe(url: string): Promise<readonly unknown[]> {
    const live = await fetch(`${url}/livez`);
    expect([live.status, await live.json()]).toEqual([200, { status: 'ok' }]);
    const response = await fetch(`${url}/readyz`);
    const { code, failing, requestId } = (await response.json()) as Record<string, unknown>;
    if (response.status === 200) return [200];
    expect(requestId).toBe(response.headers.get('x-request-id'));
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    return [response.status, code, failing];
  }

  it('says that the store is gone when its folder is, and that it is back', async () => {
    const { url, log } = await start();
    expect(await probe(url)).toEqual([200]);
    const store = join(dir, 'origin/store');
    await rename(store, join(dir, 'unmounted'));
    expect(await probe(url)).toEqual([503, 'unavailable', ['store']]);
    const told = log.lines.find(({ msg }) => msg === 'not ready');
    expect(told).toMatchObject({ part: 'store', requestId: expect.any(String) as string });
    await rename(join(dir, 'unmounted'), store);
    expect(await probe(url)).toEqual([200]);
  });

  it('says that the catalog does not answer', async () => {
    const { url, store } = await start();
    await store.catalog.close();
    expect(await probe(url)).toEqual([503, 'unavailable', ['catalog']]);
    const { objects } = store.blobs;
    objects.check = () => Promise.reject(new Error('broken'));
    expect(await probe(url)).toEqual([503, 'unavailable', ['catalog', 'store']]);
  });

  it('answers in time when the store never does', async () => {
    const { url, store } = await start();
    const { objects }: { objects: ObjectStore } = store.blobs;
    objects.check = () => new Promise(() => undefined);
    expect(await probe(url)).toEqual([503, 'unavailable', ['store']]);
  });

  it.skipIf(minio === undefined)('says that S3 is gone when it is', async () => {
    const s3 = await startMinio(minio ?? '');
    onTestFinished(() => s3.stop());
    const { endpoint, region, accessKey, secretKey } = s3;
    const bucket = await s3.makeBucket();
    const { url } = await start({
      store: { kind: 's3', endpoint, region, bucket, accessKey, secretKey },
    });
    expect(await probe(url)).toEqual([200]);
    await s3.stop();
    expect(await probe(url)).toEqual([503, 'unavailable', ['store']]);
  });

  it('is true of a cache whose origin is gone', async () => {
    const origin = await start();
    const cache = await startLiveCache(dir, origin.url);
    onTestFinished(cache.close);
    expect(await probe(cache.url)).toEqual([200]);
  });
});
