import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { blocksIn, makeStore } from './bucket-place.ts';
import {
  ask,
  MIB,
  noise,
  startOrigin,
  startTestCache,
  statusOf,
  tempFolder,
  until,
  type TestCache,
} from './tools.ts';

const minioPath = needTool('minio');

describe.skipIf(minioPath === undefined)('a cache whose blobs are in a bucket', () => {
  let minio: MinioServer;
  beforeAll(async () => {
    minio = await startMinio(minioPath ?? '');
  });
  afterAll(async () => {
    await minio.stop();
  });

  const get = (cache: TestCache, digest: string, range?: readonly [number, number]) =>
    ask(`${cache.url}/v1/blobs/${digest}`, {
      ...(range !== undefined && { headers: { range: `bytes=${range[0]}-${range[1] - 1}` } }),
    });

  test('fills the blocks that are asked for, and serves them without the origin, over a restart', async () => {
    const origin = await startOrigin();
    const blob = noise(5 * MIB + 77);
    const digest = origin.add(blob);
    const [store, data] = [await makeStore(minio), await tempFolder()];
    const first = await startTestCache(origin.url, { store, data });
    const part = await get(first, digest, [2 * MIB + 10, 3 * MIB + 10]);
    expect(part.status).toBe(206);
    expect(part.body.equals(blob.subarray(2 * MIB + 10, 3 * MIB + 10))).toBe(true);
    expect(await blocksIn(minio, store)).toHaveLength(2);
    await first.close();

    const sent = origin.sent;
    const second = await startTestCache(origin.url, { store, data });
    expect((await get(second, digest)).body.equals(blob)).toBe(true);
    expect(origin.sent - sent).toBe(blob.length - 2 * MIB);
    expect(await blocksIn(minio, store)).toHaveLength(6);
    await second.close();

    await origin.stop();
    const third = await startTestCache(origin.url, { store, data });
    const alone = await get(third, digest, [MIB - 5, 5 * MIB + 50]);
    expect(alone.body.equals(blob.subarray(MIB - 5, 5 * MIB + 50))).toBe(true);
    expect(await statusOf(third.url)).toMatchObject({ objects: 1, completeObjects: 1 });
  });

  test('many clients on a cold blob take one copy from the origin', async () => {
    const origin = await startOrigin();
    const blob = noise(6 * MIB);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url, { store: await makeStore(minio) });
    const url = `${cache.url}/v1/blobs/${digest}`;
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => ask(url, n % 3 === 2 ? { leaveAfter: n * 1e5 } : {})),
    );
    for (const [n, { body }] of answers.entries()) {
      if (n % 3 !== 2) expect(body.equals(blob)).toBe(true);
    }
    expect(origin.sent).toBe(blob.length);
  });

  test('wrong bytes of the origin are not kept', async () => {
    const origin = await startOrigin();
    const blob = noise(2 * MIB);
    const digest = origin.add(blob);
    origin.spoil = (bytes, offset) => (offset === MIB ? bytes.fill(7) : bytes);
    const store = await makeStore(minio);
    const cache = await startTestCache(origin.url, { store });
    await expect(get(cache, digest)).rejects.toThrow();
    await until(async () => (await blocksIn(minio, store)).length === 0);
    origin.spoil = undefined;
    expect((await get(cache, digest)).body.equals(blob)).toBe(true);
  });

  test('a damaged block, and one that is gone, are fetched again', async () => {
    const origin = await startOrigin();
    const blob = noise(4 * MIB);
    const digest = origin.add(blob);
    const store = await makeStore(minio);
    let nowMs = 1000;
    const cache = await startTestCache(origin.url, { store }, { clock: () => nowMs });
    await get(cache, digest);
    const [, second = '', third = ''] = (await blocksIn(minio, store)).sort();
    await minio.client.putObject(store.bucket, second, noise(MIB, 9));
    await minio.client.removeObject(store.bucket, third);
    // By now the checksums are looked at again.
    nowMs += 61_000;
    const sent = origin.sent;
    expect((await get(cache, digest)).body.equals(blob)).toBe(true);
    expect(origin.sent - sent).toBe(2 * MIB);
    expect(await blocksIn(minio, store)).toHaveLength(4);
    await origin.stop();
    nowMs += 61_000;
    expect((await get(cache, digest)).body.equals(blob)).toBe(true);
  });

  test('the least recently used blob goes first, with all its blocks', async () => {
    const origin = await startOrigin();
    const [a = '', b = '', c = ''] = [1, 2, 3].map((seed) => origin.add(noise(2 * MIB, seed)));
    let nowMs = 1000;
    const clock = (): number => (nowMs += 1);
    const store = await makeStore(minio);
    const cache = await startTestCache(origin.url, { store, budgetBytes: 4.5 * MIB }, { clock });
    for (const digest of [a, b, a, c]) await get(cache, digest);
    expect(Number((await statusOf(cache.url))['bytes'])).toBe(4 * MIB);
    expect(await blocksIn(minio, store)).toHaveLength(4);
    await origin.stop();
    const statuses = [];
    for (const digest of [a, b, c]) statuses.push((await get(cache, digest)).status);
    expect(statuses).toEqual([200, 503, 200]);
  });

  test('a start removes what no row names', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(2 * MIB));
    const [store, data] = [await makeStore(minio), await tempFolder()];
    const first = await startTestCache(origin.url, { store, data });
    await get(first, digest);
    await first.close();
    const [name = ''] = await blocksIn(minio, store);
    const orphan = name.replace(/[0-9a-f]{64}/, 'a'.repeat(64));
    await minio.client.putObject(store.bucket, orphan, Buffer.from('x'));
    const foreign = name.replace(/sparse\/[0-9a-f]{16}/, `sparse/${'b'.repeat(16)}`);
    await minio.client.putObject(store.bucket, foreign, Buffer.from('x'));
    const second = await startTestCache(origin.url, { store, data });
    await until(async () => !(await blocksIn(minio, store)).includes(orphan));
    expect(await blocksIn(minio, store)).toContain(foreign);
    expect(await statusOf(second.url)).toMatchObject({ objects: 1, completeObjects: 1 });
  });

  test('a bucket that is not there: the start says so', async () => {
    const store = await makeStore(minio);
    const absent = startTestCache('http://127.0.0.1:1', { store: { ...store, bucket: 'nowhere' } });
    await expect(absent).rejects.toMatchObject({ code: 'unavailable' });
  });
});
