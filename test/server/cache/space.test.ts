import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { startCache } from '../../../server/cache/cache-server.ts';
import {
  ask,
  configOf,
  MIB,
  noise,
  silent,
  startOrigin,
  startTestCache,
  statusOf,
  tempFolder,
  until,
} from './tools.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

describe('the byte budget', () => {
  test('the least recently used blob goes first', async () => {
    const origin = await startOrigin();
    const blobs = [1, 2, 3].map((seed) => noise(2 * MIB, seed));
    const [a = '', b = '', c = ''] = blobs.map((blob) => origin.add(blob));
    let nowMs = 1000;
    const clock = (): number => (nowMs += 1);
    const cache = await startTestCache(origin.url, { budgetBytes: 4.5 * MIB }, { clock });
    for (const digest of [a, b, a, c]) await ask(`${cache.url}/v1/blobs/${digest}`);
    expect(Number((await statusOf(cache.url))['bytes'])).toBeLessThanOrEqual(4.5 * MIB);
    await origin.stop();
    expect((await ask(`${cache.url}/v1/blobs/${a}`)).body.equals(noise(2 * MIB, 1))).toBe(true);
    expect((await ask(`${cache.url}/v1/blobs/${c}`)).status).toBe(200);
    expect((await ask(`${cache.url}/v1/blobs/${b}`)).status).toBe(503);
  });

  test('a blob that is being read stays, one larger than the budget passes through', async () => {
    const origin = await startOrigin();
    const small = noise(2 * MIB);
    const large = noise(4 * MIB, 2);
    const [a, b] = [origin.add(small), origin.add(large)];
    const cache = await startTestCache(origin.url, { budgetBytes: 3 * MIB });
    expect((await ask(`${cache.url}/v1/blobs/${a}`)).body.equals(small)).toBe(true);
    expect((await ask(`${cache.url}/v1/blobs/${b}`)).body.equals(large)).toBe(true);
    expect(Number((await statusOf(cache.url))['bytes'])).toBeLessThanOrEqual(3 * MIB);
    const range = await ask(`${cache.url}/v1/blobs/${b}`, {
      headers: { range: `bytes=${MIB}-${MIB + 4}` },
    });
    expect(range.body.equals(large.subarray(MIB, MIB + 5))).toBe(true);
  });

  test('what passes through is checked as well: wrong bytes break the transfer', async () => {
    const origin = await startOrigin();
    const blob = noise(2 * MIB);
    const digest = origin.add(blob);
    origin.spoil = (bytes, offset) => (offset === MIB ? bytes.fill(7) : bytes);
    const cache = await startTestCache(origin.url, { budgetBytes: MIB });
    await expect(ask(`${cache.url}/v1/blobs/${digest}`)).rejects.toThrow();
    origin.spoil = undefined;
    expect((await ask(`${cache.url}/v1/blobs/${digest}`)).body.equals(blob)).toBe(true);
  });
});

test('a full disk: blobs pass through without being kept, and space is used again later', async ({
  skip,
}) => {
  const data = join(await tempFolder(), 'full');
  await mkdir(data);
  const disk = mountSmallDisk(data, 4);
  if (disk === undefined) {
    skip();
    return;
  }
  onTestFinished(() => {
    disk.unmount();
  });
  const origin = await startOrigin();
  const large = noise(8 * MIB);
  const small = noise(1.5 * MIB, 2);
  const [a, b] = [origin.add(large), origin.add(small)];
  const cache = await startTestCache(origin.url, { data });
  const both = await Promise.all([1, 2].map(() => ask(`${cache.url}/v1/blobs/${a}`)));
  for (const { body } of both) expect(body.equals(large)).toBe(true);
  await until(async () => (await statusOf(cache.url))['objects'] === 0);
  expect((await ask(`${cache.url}/v1/blobs/${b}`)).body.equals(small)).toBe(true);
  await origin.stop();
  expect((await ask(`${cache.url}/v1/blobs/${b}`)).body.equals(small)).toBe(true);
  await cache.close();
});

describe('the folder', () => {
  test('belongs to one process', async () => {
    const cache = await startTestCache('http://127.0.0.1:1');
    const second = startCache(configOf('http://127.0.0.1:1', cache.data, {}), silent);
    await expect(second).rejects.toMatchObject({ code: 'conflict' });
  });

  test('is swept of what a crash left', async () => {
    const data = await tempFolder();
    const blobs = join(data, 'blobs');
    await mkdir(blobs);
    const orphan = `sha256-${'a'.repeat(64)}`;
    for (const name of [`${orphan}.data`, `${orphan}.map`, '.00ff.tmp', 'README']) {
      await writeFile(join(blobs, name), 'x');
    }
    await startTestCache('http://127.0.0.1:1', { data });
    await until(async () => (await readdir(blobs)).length === 1);
    expect(await readdir(blobs)).toEqual(['README']);
  });
});
