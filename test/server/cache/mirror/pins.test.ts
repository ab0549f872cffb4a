import { expect, test } from 'vitest';

import { MEDIA_TYPES } from '../../../../storage/descriptor.ts';
import { digestOf } from '../../../../storage/digest.ts';
import { ask, noise, startOrigin, startTestCache, statusOf, until, type Answer } from '../tools.ts';

test('the blobs of an image that was pulled by its tag are not evicted for what is newer', async () => {
  const origin = await startOrigin();
  const layer = noise(60_000, 5);
  const config = noise(500, 6);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { digest: digestOf(config), size: config.length },
      layers: [{ digest: digestOf(layer), size: layer.length }],
    }),
  );
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, manifests: [{ digest: digestOf(manifest), size: 1 }] }),
  );
  for (const bytes of [layer, config]) origin.add(bytes);
  origin.intercept = (x) => {
    const [, name] = /^\/v2\/demo\/app\/manifests\/(.+)$/.exec(x.path) ?? [];
    if (name === undefined) return false;
    const body = name === 'v1' ? index : manifest;
    const type = name === 'v1' ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest;
    x.res.writeHead(200, { 'Content-Type': type, 'Docker-Content-Digest': digestOf(body) });
    x.res.end(body);
    return true;
  };
  const cache = await startTestCache(origin.url, { budgetBytes: 190_000, refreshMs: 20 });
  const get = (path: string): Promise<Answer> => ask(cache.url + path);
  const blobOf = (digest: string): string => `/v2/demo/app/blobs/${digest}`;
  const [first = '', ...others] = [11, 12, 13].map((seed) => origin.add(noise(60_000, seed)));
  for (const path of [
    '/v2/demo/app/manifests/v1',
    `/v2/demo/app/manifests/${digestOf(manifest)}`,
    blobOf(digestOf(config)),
    blobOf(digestOf(layer)),
    `/v1/blobs/${first}`,
  ])
    expect((await get(path)).status).toBe(200);
  // The next look, which the status does not tell of.
  const looks = (): number => origin.seen.filter((line) => line.endsWith('/v1/releases')).length;
  const before = looks();
  await until(() => looks() > before + 2);
  for (const digest of others) expect((await get(`/v1/blobs/${digest}`)).status).toBe(200);
  expect(Number((await statusOf(cache.url))['bytes'])).toBeLessThanOrEqual(190_000);
  await origin.stop();
  expect((await get(blobOf(digestOf(layer)))).body.equals(layer)).toBe(true);
  expect((await get(`/v1/blobs/${first}`)).status).toBe(503);
});
