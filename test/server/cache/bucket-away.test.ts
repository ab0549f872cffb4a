import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import type { CacheConfig } from '../../../server/config.ts';
import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { s3ErrorXml, startS3FaultProxy } from '../../faults/s3-fault-proxy.ts';
import { readExposition, valueOf } from '../observe/exposition.ts';
import { blocksIn, makeStore } from './bucket-place.ts';
import {
  ask,
  MIB,
  noise,
  startOrigin,
  startTestCache,
  until,
  type Answer,
  type TestCache,
} from './tools.ts';

const minioPath = needTool('minio');

describe.skipIf(minioPath === undefined)('a cache whose bucket is away', () => {
  let minio: MinioServer;
  beforeAll(async () => {
    minio = await startMinio(minioPath ?? '');
  });
  afterAll(async () => {
    await minio.stop();
  });

  const PAUSES = { pauseMs: 50, maxPauseMs: 200 };
  let nowMs = 1000;
  const start = (origin: string, change: Partial<CacheConfig>): Promise<TestCache> =>
    startTestCache(origin, change, { storePauses: PAUSES, clock: () => nowMs });

  const halt = async (): Promise<void> => {
    await minio.halt();
    // Blocks in memory serve no longer: they are to be looked at again.
    nowMs += 61_000;
    onTestFinished(async () => {
      await minio.halt();
      await minio.resume();
    });
  };

  const get = (cache: TestCache, digest: string): Promise<Answer> =>
    ask(`${cache.url}/v1/blobs/${digest}`);

  const metric = async (
    cache: TestCache,
    name: string,
    labels: Record<string, string>,
  ): Promise<number | undefined> => {
    const { body } = await ask(`${cache.url}/metrics`);
    return valueOf(readExposition(body.toString()), name, labels);
  };

  const isUp = async (cache: TestCache, verb: string): Promise<boolean> =>
    (await metric(cache, 'rivulet_cache_store_up', { verb })) === 1;

  const passed = (cache: TestCache): Promise<number | undefined> =>
    metric(cache, 'rivulet_cache_passed_total', { reason: 'store_away' });

  test('passes blobs through that it has and those it lacks, and keeps them again once it is back', async () => {
    const origin = await startOrigin();
    const [warm, cold] = [noise(3 * MIB + 5), noise(2 * MIB + 77, 2)];
    const [a, b] = [origin.add(warm), origin.add(cold)];
    const store = await makeStore(minio);
    const cache = await start(origin.url, { store });
    await get(cache, a);
    expect(await isUp(cache, 'read')).toBe(true);

    await halt();
    for (const [digest, blob] of [
      [a, warm],
      [b, cold],
    ] as const) {
      const { status, body } = await get(cache, digest);
      expect([status, body.equals(blob)]).toEqual([200, true]);
    }
    const range = { headers: { range: `bytes=${MIB - 3}-${MIB + 3}` } };
    const part = await ask(`${cache.url}/v1/blobs/${b}`, range);
    expect([part.status, part.body.equals(cold.subarray(MIB - 3, MIB + 4))]).toEqual([206, true]);
    expect(await passed(cache)).toBe(3);
    expect([await isUp(cache, 'read'), await isUp(cache, 'write')]).toEqual([false, false]);
    const ready = await ask(`${cache.url}/readyz`);
    expect([ready.status, JSON.parse(ready.body.toString())]).toEqual([
      200,
      { status: 'ok', away: ['store'] },
    ]);

    await minio.resume();
    expect(await blocksIn(minio, store)).toHaveLength(4);
    await until(async () => (await isUp(cache, 'read')) && (await isUp(cache, 'write')));
    expect((await get(cache, b)).body.equals(cold)).toBe(true);
    await origin.stop();
    expect((await get(cache, a)).body.equals(warm)).toBe(true);
    expect((await get(cache, b)).body.equals(cold)).toBe(true);
    expect(await blocksIn(minio, store)).toHaveLength(7);
    expect(await passed(cache)).toBe(3);
    expect(JSON.parse((await ask(`${cache.url}/readyz`)).body.toString())).toEqual({
      status: 'ok',
    });
  });

  test('says 503 and names both when the origin is gone as well', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(MIB + 1));
    const cache = await start(origin.url, { store: await makeStore(minio) });
    await get(cache, digest);
    await origin.stop();
    await halt();
    const { status, headers, body } = await get(cache, digest);
    expect([status, headers['retry-after'], JSON.parse(body.toString())]).toMatchObject([
      503,
      '5',
      { code: 'unavailable', failing: ['store', 'origin'] },
    ]);
    const registry = await ask(`${cache.url}/v2/demo/app/blobs/${digest}`);
    expect(registry.status).toBe(503);
    expect(registry.body.toString()).toContain(
      'neither the bucket of this cache nor its origin answers',
    );
    await minio.resume();
    await until(() => isUp(cache, 'read'));
    expect((await get(cache, digest)).status).toBe(200);
  });

  test('goes on with a transfer during which it went, and checks all of it', async () => {
    const origin = await startOrigin();
    // More than sockets and memory hold: the end has to come from where the blob is.
    const blob = noise(32 * MIB);
    const digest = origin.add(blob);
    const cache = await start(origin.url, { store: await makeStore(minio) });
    await get(cache, digest);
    const response = await fetch(`${cache.url}/v1/blobs/${digest}`);
    const parts: Uint8Array[] = [];
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      if (parts.length === 0) await halt();
      parts.push(part);
    }
    expect(Buffer.concat(parts).equals(blob)).toBe(true);
    expect(await passed(cache)).toBe(1);
  });

  test('a bucket that was removed is as one that is away, and a new one in its place is filled', async () => {
    const origin = await startOrigin();
    const blob = noise(MIB);
    const digest = origin.add(blob);
    const store = await makeStore(minio);
    const cache = await start(origin.url, { store });
    await minio.client.removeBucket(store.bucket);
    expect((await get(cache, digest)).body.equals(blob)).toBe(true);
    expect(await passed(cache)).toBe(1);
    await minio.client.makeBucket(store.bucket);
    await until(() => isUp(cache, 'write'));
    expect((await get(cache, digest)).body.equals(blob)).toBe(true);
    expect(await blocksIn(minio, store)).toHaveLength(1);
  });

  test('one that takes nothing for a while is still read', async () => {
    const proxy = await startS3FaultProxy(minio.endpoint);
    onTestFinished(() => proxy.close());
    const origin = await startOrigin();
    const [warm, cold] = [noise(2 * MIB), noise(2 * MIB, 2)];
    const [a, b] = [origin.add(warm), origin.add(cold)];
    const store = { ...(await makeStore(minio)), endpoint: proxy.url };
    const cache = await start(origin.url, { store });
    await get(cache, a);
    const body = s3ErrorXml('SlowDown');
    proxy.spoil({ method: 'PUT' }, { kind: 'answer', status: 503, body }, { times: Infinity });
    expect((await get(cache, b)).body.equals(cold)).toBe(true);
    expect(await isUp(cache, 'read')).toBe(true);
    const sent = origin.sent;
    expect((await get(cache, a)).body.equals(warm)).toBe(true);
    expect(origin.sent).toBe(sent);
    proxy.mend();
    await until(() => isUp(cache, 'write'));
    expect((await get(cache, b)).body.equals(cold)).toBe(true);
    await origin.stop();
    expect((await get(cache, b)).body.equals(cold)).toBe(true);
  });
});
