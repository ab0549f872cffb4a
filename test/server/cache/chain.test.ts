import { describe, expect, it } from 'vitest';

import {
  CACHE_URL_HEADER,
  DEVICE_HEADER,
  REGION_HEADER,
  type Decision,
} from '../../../delta/agent/protocol.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf } from '../../../storage/digest.ts';
import { sampleAsk, sampleFacts, named } from '../updates/sample.ts';
import { startRegistry } from './fake-registry.ts';
import { answerJson, type FakeOrigin } from './origin.ts';
import { SwitchProxy } from './ostree/switch-proxy.ts';
import {
  ask,
  noise,
  startOrigin,
  startTestCache,
  statusOf,
  until,
  type Answer,
  type TestCache,
} from './tools.ts';

const MANIFEST = Buffer.from('{"schemaVersion":2}');
const EVENTS = `/v1/decisions/${'0'.repeat(32)}/events`;

interface Chain {
  readonly origin: FakeOrigin;
  /** Headers of what devices' requests became, by path. */
  readonly heard: { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> }[];
  readonly region: TestCache;
  /** Between the site and the region. */
  readonly link: SwitchProxy;
  readonly site: TestCache;
  readonly pass: (ms: number) => void;
}

/** A site's cache behind a region's, all on one clock. */
async function startChain(): Promise<Chain> {
  const origin = await startOrigin();
  const heard: Chain['heard'] = [];
  origin.intercept = (x) => {
    if (x.path === '/v1/releases') answerJson(x, { releases: [sampleFacts()] });
    else if (x.req.method === 'POST') {
      heard.push({ path: x.path, headers: x.req.headers });
      if (x.path === '/v1/check') x.res.writeHead(204, { 'rivulet-reason': 'no_release' }).end();
      else answerJson(x, { recorded: 1 });
    } else if (x.path.includes('/manifests/')) {
      const type = MEDIA_TYPES.ociManifest;
      x.res.writeHead(200, { 'Content-Type': type, 'Docker-Content-Digest': digestOf(MANIFEST) });
      x.res.end(MANIFEST);
    } else if (x.path.endsWith('/tags/list')) {
      const link = `<${origin.url}/v2/demo/app/tags/list?last=a>; rel="next"`;
      x.res.writeHead(200, { 'Content-Type': 'application/json', Link: link });
      x.res.end('{"name":"demo/app","tags":["a"]}');
    } else return false;
    return true;
  };
  let nowMs = 1_764_000_000_000;
  const tuning = { clock: () => nowMs };
  const quick = { refreshMs: 100 };
  const region = await startTestCache(origin.url, { ...quick, region: 'eu' }, tuning);
  await until(async () => (await ask(`${region.url}/v1/releases`)).status === 200);
  const link = new SwitchProxy(region.url);
  await link.up();
  const names = { upstreamNames: [new URL(origin.url).host] };
  const site = await startTestCache(link.url, { ...quick, ...names, region: 'shop-7' }, tuning);
  await until(async () => (await statusOf(site.url))['ageSeconds'] === 0);
  return { origin, heard, region, link, site, pass: (ms) => (nowMs += ms) };
}

const post = (url: string, body: unknown): Promise<Answer> =>
  ask(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [DEVICE_HEADER]: 'till-7' },
    body: JSON.stringify(body),
  });

const EVENT_BODY = {
  decision: { product: 'demo/app', channel: 'stable', platform: 'linux/amd64', to: named('v2') },
  events: [{ seq: 1, type: 'downloading', atMs: 1 }],
};

describe('a cache behind a cache', () => {
  it('serves blobs, manifests, tags and lists with the origin, without it, without the region', async () => {
    const { origin, region, link, site, pass } = await startChain();
    const bytes = noise(3_000_000);
    const digest = origin.add(bytes);
    const everything = async (): Promise<readonly unknown[]> => {
      const blob = await ask(`${site.url}/v1/blobs/${digest}`);
      const part = await ask(`${site.url}/v2/demo/app/blobs/${digest}`, {
        headers: { range: 'bytes=2000000-2000009' },
      });
      const host = new URL(origin.url).host;
      const tag = await ask(`${site.url}/v2/demo/app/manifests/v1?ns=${host}`);
      const tags = await ask(`${site.url}/v2/demo/app/tags/list`);
      expect(tags.headers['link']).toBe('</v2/demo/app/tags/list?last=a>; rel="next"');
      expect(tag.body.equals(MANIFEST)).toBe(true);
      expect(part.body.equals(bytes.subarray(2_000_000, 2_000_010))).toBe(true);
      return [blob.body.equals(bytes), tag.headers['rivulet-age'], tags.headers['rivulet-age']];
    };
    expect(await everything()).toEqual([true, undefined, undefined]);
    expect(origin.sent).toBe(bytes.length);
    await origin.stop();
    pass(60_000);
    expect(await everything()).toEqual([true, '60', '60']);
    await link.down();
    pass(60_000);
    // The site counts from when the origin, not the region, last said so.
    expect(await everything()).toEqual([true, '120', '120']);
    expect(origin.sent).toBe(bytes.length);
    expect(await statusOf(region.url)).toMatchObject({ reachable: false });
  });

  it('answers checks, naming itself first, and says how old its knowledge is', async () => {
    const { origin, heard, link, site, pass } = await startChain();
    expect((await post(`${site.url}/v1/check`, sampleAsk('v1'))).status).toBe(204);
    expect(heard[0]?.headers).toMatchObject({
      [REGION_HEADER]: 'shop-7',
      [CACHE_URL_HEADER]: `${site.url}, ${link.url}`,
      [DEVICE_HEADER]: 'till-7',
    });
    await origin.stop();
    pass(60_000);
    const alone = await post(`${site.url}/v1/check`, sampleAsk('v1'));
    expect([alone.status, alone.headers['rivulet-age']]).toEqual([200, '60']);
    const { blobs } = JSON.parse(alone.body.toString()) as Decision;
    const bases = [site.url, link.url, origin.url].map((url) => `${url}/v1/blobs/`);
    expect(blobs).toEqual(bases);
    await until(async () => (await statusOf(site.url))['ageSeconds'] === 60);
    await link.down();
    pass(60_000);
    const lonely = await post(`${site.url}/v1/check`, sampleAsk('v1'));
    expect([lonely.status, lonely.headers['rivulet-age']]).toEqual([200, '120']);
    expect((await ask(`${site.url}/readyz`)).status).toBe(200);
  });

  it('forwards reports with the region that they came from, also those that waited', async () => {
    const { origin, heard, link, site } = await startChain();
    expect((await post(site.url + EVENTS, EVENT_BODY)).status).toBe(200);
    await origin.stop();
    expect((await post(site.url + EVENTS, EVENT_BODY)).status).toBe(202);
    await link.down();
    expect((await post(site.url + EVENTS, EVENT_BODY)).status).toBe(202);
    await origin.start();
    await link.up();
    await until(() => heard.filter(({ path }) => path === EVENTS).length === 3);
    const regions = heard.map(({ headers }) => headers[REGION_HEADER]);
    expect(new Set(regions)).toEqual(new Set(['shop-7']));
  });

  it('refuses a request that went in a circle', async () => {
    const { site } = await startChain();
    const around = Array.from({ length: 9 }, (_, n) => `http://cache-${n}`).join(', ');
    const answer = await ask(`${site.url}/v1/check`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        [DEVICE_HEADER]: 'till-7',
        [REGION_HEADER]: 'eu',
        [CACHE_URL_HEADER]: around,
      },
      body: JSON.stringify(sampleAsk('v1')),
    });
    expect([answer.status, answer.body.toString()]).toEqual([
      400,
      expect.stringContaining('more than 8'),
    ]);
  });

  it('reads another registry through the cache above, which has its credentials', async () => {
    const origin = await startOrigin();
    const ghcr = await startRegistry({ scheme: 'bearer', user: 'robot:secret' });
    const bytes = noise(50_000);
    const digest = ghcr.addBlob('org/app', bytes);
    ghcr.addManifest('org/app', '1', MANIFEST);
    const own = { url: ghcr.url, username: 'robot', password: 'secret' };
    const region = await startTestCache(origin.url, { registries: { 'ghcr.io': own } });
    const site = await startTestCache(region.url, {
      registries: { 'ghcr.io': { through: 'upstream' } },
    });
    const pull = async (): Promise<void> => {
      const tag = await ask(`${site.url}/v2/org/app/manifests/1?ns=ghcr.io`);
      expect(tag.body.equals(MANIFEST)).toBe(true);
      const blob = await ask(`${site.url}/v2/ghcr.io/org/app/blobs/${digest}`);
      expect(blob.body.equals(bytes)).toBe(true);
      expect((await ask(`${site.url}/v2/org/app/blobs/${digest}`)).status).toBe(404);
    };
    await pull();
    await ghcr.stop();
    await pull();
    const tags = await ask(`${site.url}/v2/org/other/blobs/${digest}?ns=ghcr.io`);
    expect(tags.status).toBe(503);
    await region.close();
    expect((await ask(`${site.url}/v2/ghcr.io/org/app/blobs/${digest}`)).body.equals(bytes)).toBe(
      true,
    );
  });
});
