import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';

import { loadServerConfig } from '../../../server/config-load.ts';
import { startOrigin } from '../../../server/origin.ts';
import { DEVICE_HEADER, type Decision } from '../../../delta/agent/protocol.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf } from '../../../storage/digest.ts';
import { ask, MIB, noise, startTestCache, statusOf, tempFolder, until } from './tools.ts';

async function put(url: string, body: Buffer, type: string): Promise<void> {
  const method = url.includes('/manifests/') ? 'PUT' : 'POST';
  const headers = { 'content-type': type };
  const answer = await fetch(url, { method, headers, body: Uint8Array.from(body) });
  expect(answer.status).toBe(201);
}

test('in front of a real origin: pull, check, and both again without it', async () => {
  const flags = { data: await tempFolder(), listen: '127.0.0.1:0', logLevel: 'silent' };
  const origin = await startOrigin(await loadServerConfig({ flags, env: {}, file: undefined }));
  let running = true;
  const stop = async (): Promise<void> => {
    if (running) await origin.close();
    running = false;
  };
  onTestFinished(stop);
  const tar = Buffer.alloc(10 * 1024);
  const layer = gzipSync(Buffer.concat([tar, tar]));
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [digestOf(Buffer.concat([tar, tar]))] },
    }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: describe(MEDIA_TYPES.ociConfig, config),
      layers: [describe(MEDIA_TYPES.ociLayerGzip, layer)],
    }),
  );
  const big = noise(3 * MIB);
  for (const blob of [layer, config, big]) {
    const query = `digest=${digestOf(blob)}`;
    await put(
      `${origin.url}/v2/demo/app/blobs/uploads/?${query}`,
      blob,
      'application/octet-stream',
    );
  }
  await put(`${origin.url}/v2/demo/app/manifests/stable`, manifest, MEDIA_TYPES.ociManifest);

  const cache = await startTestCache(origin.url, { refreshMs: 50 });
  const check = async (): Promise<Decision> => {
    const body = JSON.stringify({
      product: 'demo/app',
      channel: 'stable',
      os: 'linux',
      arch: 'amd64',
      current: [],
      accept: ['delta', 'chunks', 'full'],
    });
    const headers = { 'content-type': 'application/json', [DEVICE_HEADER]: 'device-1' };
    const answer = await ask(`${cache.url}/v1/check`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
    return JSON.parse(answer.body.toString()) as Decision;
  };
  const pull = async (): Promise<void> => {
    const found = await ask(`${cache.url}/v2/demo/app/manifests/stable`);
    expect(found.headers['content-type']).toBe(MEDIA_TYPES.ociManifest);
    expect(found.body.equals(manifest)).toBe(true);
    for (const blob of [layer, config, big]) {
      const got = await ask(`${cache.url}/v2/demo/app/blobs/${digestOf(blob)}`);
      expect(got.body.equals(blob)).toBe(true);
      expect((await ask(`${cache.url}/v1/blobs/${digestOf(blob)}`)).body.equals(blob)).toBe(true);
    }
    const tags = await ask(`${cache.url}/v2/demo/app/tags/list`);
    expect(JSON.parse(tags.body.toString())).toEqual({ name: 'demo/app', tags: ['stable'] });
    const referrers = await ask(`${cache.url}/v2/demo/app/referrers/${digestOf(manifest)}`);
    expect(referrers.headers['content-type']).toBe(MEDIA_TYPES.ociIndex);
  };
  await pull();
  const decision = await check();
  expect(decision.blobs).toEqual([`${cache.url}/v1/blobs/`, `${origin.url}/v1/blobs/`]);
  await until(async () => {
    const { body } = await ask(`${cache.url}/v1/releases`);
    return body.toString().includes(digestOf(manifest));
  });
  const whole = await statusOf(cache.url);
  expect(whole).toMatchObject({ role: 'cache', region: 'eu', reachable: true, objects: 3 });
  expect(Number(whole['servedBytes'])).toBeGreaterThan(Number(whole['egressBytes']));

  await stop();
  await pull();
  const alone = await check();
  expect(alone.id).toBe(decision.id);
  expect(alone.target).toEqual(decision.target);
});
