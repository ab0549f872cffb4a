import { expect, it } from 'vitest';

import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { sampleAsk, sampleFacts } from '../updates/sample.ts';
import { answerJson } from './origin.ts';
import { ask, noise, startOrigin, startTestCache, statusOf, until } from './tools.ts';

const CLIENTS = 200;
/** `MAX_AT_ONCE` of origin-api.ts. */
const AT_ONCE = 64;

it('many clients make few requests of an origin that is gone, or back', async () => {
  const origin = await startOrigin();
  const bytes = noise(200_000);
  const digest = origin.add(bytes);
  let running = 0;
  let most = 0;
  origin.intercept = async (x) => {
    if (x.path === '/v1/releases') answerJson(x, { releases: [sampleFacts()] });
    else if (x.path === '/v1/check') {
      running += 1;
      most = Math.max(most, running);
      x.req.resume();
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      x.res.writeHead(204, { 'rivulet-reason': 'up_to_date' }).end();
    } else if (x.path.endsWith('/manifests/v1')) {
      x.res.writeHead(200, { 'Content-Type': MEDIA_TYPES.ociManifest }).end('{}');
    } else return false;

    return true;
  };
  let nowMs = 1_764_000_000_000;
  const cache = await startTestCache(origin.url, { tagTtlMs: 10_000 }, { clock: () => nowMs });
  await until(async () => (await statusOf(cache.url))['ageSeconds'] === 0);
  const tag = `${cache.url}/v2/demo/app/manifests/v1`;
  expect((await ask(tag)).status).toBe(200);

  const check = (n: number): Promise<number> =>
    ask(`${cache.url}/v1/check`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [DEVICE_HEADER]: `device-${n}` },
      body: JSON.stringify(sampleAsk('v1')),
    }).then(({ status }) => status);
  const all = async <T>(one: (n: number) => Promise<T>): Promise<ReadonlySet<T>> =>
    new Set(await Promise.all(Array.from({ length: CLIENTS }, (_, n) => one(n))));
  const status = (url: string) => () => ask(url).then((answer) => answer.status);

  await origin.stop();
  expect(await all(status(tag))).toEqual(new Set([200]));
  expect(await all(check)).toEqual(new Set([200]));
  expect((await ask(`${cache.url}/readyz`)).status).toBe(200);
  nowMs += 20_000;
  expect(await statusOf(cache.url)).toMatchObject({ reachable: false, ageSeconds: 20 });
  const metrics = (await ask(`${cache.url}/metrics`)).body.toString();
  expect(metrics).toContain('rivulet_upstream_reachable{upstream="origin"} 0');
  expect(metrics).toMatch(
    /rivulet_upstream_heard_timestamp_seconds\{upstream="origin"\} 1764000000/,
  );

  await origin.start();
  origin.seen.length = 0;
  // The hold-off is over: one of them finds out, the rest have what is known.
  expect(await all(status(tag))).toEqual(new Set([200]));
  const blob = `${cache.url}/v1/blobs/${digest}`;
  expect(await all(status(blob))).toEqual(new Set([200]));
  const asked = (part: string): number => origin.seen.filter((line) => line.includes(part)).length;
  expect(origin.sent).toBe(bytes.length);
  expect(asked('/v1/blobs/')).toBeLessThan(5);
  expect(asked('/manifests/v1')).toBeLessThan(5);
  expect([...(await all(check))]).toEqual([204]);
  expect(most).toBeLessThanOrEqual(AT_ONCE);
  expect(await statusOf(cache.url)).toMatchObject({ reachable: true });
});
