import { readdir, rm } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { ask, MIB, noise, startOrigin, startTestCache, statusOf } from './tools.ts';

/** The ids that the hot path gives; `node:http` gives UUIDs. */
const HOT_ID = /^[0-9a-f]{16}-[0-9a-f]{12}$/;

interface Got {
  readonly hot: boolean;
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A GET with nothing in it that the hot path would leave to others. */
function plain(url: string, headers: Record<string, string> = {}): Promise<Got> {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => {
    agent.destroy();
  });
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.once('error', reject);
      res.once('end', () => {
        const { statusCode: status = 0 } = res;
        const hot = HOT_ID.test(String(res.headers['x-request-id']));
        resolve({ hot, status, headers: res.headers, body: Buffer.concat(parts) });
      });
    }).once('error', reject);
  });
}

async function hits(url: string): Promise<number> {
  const { body } = await ask(`${url}/metrics`);
  const line = /^rivulet_cache_requests_total\{result="hit"\} (\d+)$/m.exec(body.toString());
  return Number(line?.[1] ?? 0);
}

test('a small blob is hot once it is here, under both paths, and counts as a hit', async () => {
  const origin = await startOrigin();
  const blob = noise(4096);
  const digest = origin.add(blob);
  const cache = await startTestCache(origin.url);
  const cold = await plain(`${cache.url}/v1/blobs/${digest}`);
  expect([cold.hot, cold.status]).toEqual([false, 200]);
  for (const path of [`/v1/blobs/${digest}`, `/v2/demo/app/blobs/${digest}`]) {
    const before = await hits(cache.url);
    const slow = await ask(`${cache.url}${path}`);
    const got = await plain(`${cache.url}${path}`);
    expect([got.hot, got.status]).toEqual([true, 200]);
    expect(got.body.equals(blob)).toBe(true);
    for (const name of ['etag', 'content-type', 'content-length', 'docker-content-digest']) {
      expect(got.headers[name], name).toBe(slow.headers[name]);
    }
    expect((await hits(cache.url)) - before).toBe(2);
  }
  const part = await plain(`${cache.url}/v1/blobs/${digest}`, { range: 'bytes=10-19' });
  expect([part.hot, part.status]).toEqual([true, 206]);
  expect(part.body.equals(blob.subarray(10, 20))).toBe(true);
});

test('what is not whole here, and what is large, is left to the routes', async () => {
  const origin = await startOrigin();
  const [large, gone] = [origin.add(noise(MIB)), origin.add(noise(100, 2))];
  origin.blobs.delete(gone);
  const cache = await startTestCache(origin.url);
  for (const digest of [large, large, gone]) {
    expect((await plain(`${cache.url}/v1/blobs/${digest}`)).hot).toBe(false);
  }
  expect((await plain(`${cache.url}/v1/blobs/${gone}`)).status).toBe(404);
});

test('a hot answer outlives the eviction of its blob', async () => {
  const origin = await startOrigin();
  const [a, b] = [noise(40_000, 1), noise(40_000, 2)];
  const [first, second] = [origin.add(a), origin.add(b)];
  const cache = await startTestCache(origin.url, { budgetBytes: 50_000 });
  const url = `${cache.url}/v1/blobs/${first}`;
  await plain(url);
  expect((await plain(url)).hot).toBe(true);
  await plain(`${cache.url}/v1/blobs/${second}`);
  expect(await statusOf(cache.url)).toMatchObject({ objects: 1 });
  const got = await plain(url);
  expect(got.hot).toBe(true);
  expect(got.body.equals(a)).toBe(true);
});

test('with rules of access, or client certificates to tell apart, nothing is hot', async () => {
  const origin = await startOrigin();
  const digest = origin.add(noise(100));
  const access = { anonymous: ['pull:demo/**'], 'cn:all': ['pull:**'] };
  const cache = await startTestCache(origin.url, { access });
  expect((await plain(`${cache.url}/v1/blobs/${digest}`)).status).toBe(401);
  const url = `${cache.url}/v2/demo/app/blobs/${digest}`;
  for (const status of [200, 200]) {
    const got = await plain(url);
    expect([got.hot, got.status]).toEqual([false, status]);
  }
});

test('an orphaned row is no answer: a file that went is fetched again', async () => {
  const origin = await startOrigin();
  const blob = noise(5000);
  const digest = origin.add(blob);
  const first = await startTestCache(origin.url);
  await plain(`${first.url}/v1/blobs/${digest}`);
  await first.close();
  const folder = join(first.data, 'blobs');
  for (const name of await readdir(folder)) await rm(join(folder, name));
  const second = await startTestCache(origin.url, { data: first.data });
  const got = await plain(`${second.url}/v1/blobs/${digest}`);
  expect(got.body.equals(blob)).toBe(true);
});
