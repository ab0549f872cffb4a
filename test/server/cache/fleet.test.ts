import { describe, expect, test } from 'vitest';

import {
  CACHE_URL_HEADER,
  DEVICE_HEADER,
  REGION_HEADER,
  type Decision,
  type ReleaseFacts,
} from '../../../delta/agent/protocol.ts';
import type { Exchange } from '../../../server/http/exchange.ts';
import { named, sampleAsk, sampleFacts, samplePlatform } from '../updates/sample.ts';
import { answerJson, type FakeOrigin } from './origin.ts';
import {
  ask,
  noise,
  startOrigin,
  startTestCache,
  statusOf,
  tempFolder,
  until,
  type Answer,
} from './tools.ts';

const json = { 'content-type': 'application/json', [DEVICE_HEADER]: 'device-1' };

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(url, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: JSON.stringify(body),
  });
}

interface Api {
  facts: ReleaseFacts[];
  /** Bodies of reports, in the order taken. */
  readonly reports: string[];
  readonly headers: Exchange['req']['headers'][];
  eventStatus: number;
}

/** The origin's API as far as a cache uses it. */
function serveApi(origin: FakeOrigin, facts: ReleaseFacts[]): Api {
  const api: Api = { facts, reports: [], headers: [], eventStatus: 200 };
  origin.intercept = async (x) => {
    if (x.path === '/v1/releases') {
      answerJson(x, { releases: api.facts });
      return true;
    }
    if (x.req.method !== 'POST') return false;
    api.headers.push(x.req.headers);
    let body = '';
    for await (const part of x.req) body += (part as Buffer).toString();
    if (x.path === '/v1/check') x.res.writeHead(204, { 'rivulet-reason': 'no_release' }).end();
    else {
      if (api.eventStatus === 200) api.reports.push(body);
      x.res.writeHead(api.eventStatus, { 'Content-Type': 'application/json', 'Retry-After': 60 });
      x.res.end('{"recorded":1}');
    }
    return true;
  };
  return api;
}

const decision = '0123456789abcdef0123456789abcdef';
const eventsOf = (seq: number, type = 'downloading') => ({
  decision: { product: 'demo/app', channel: 'stable', platform: 'linux/amd64', to: named('v2') },
  events: [{ seq, type, atMs: 1 }],
});
const eventsUrl = (base: string): string => `${base}/v1/decisions/${decision}/events`;

describe('checks', () => {
  test('go to the origin with region and address; its answer comes back as it is', async () => {
    const origin = await startOrigin();
    const api = serveApi(origin, []);
    const cache = await startTestCache(origin.url);
    const { status, headers } = await post(`${cache.url}/v1/check`, sampleAsk('v1'));
    expect([status, headers['rivulet-reason']]).toEqual([204, 'no_release']);
    expect(api.headers[0]).toMatchObject({
      [DEVICE_HEADER]: 'device-1',
      [REGION_HEADER]: 'eu',
      [CACHE_URL_HEADER]: cache.url,
    });
  });

  test('are decided from the last releases without the origin, for as long as allowed', async () => {
    const origin = await startOrigin();
    serveApi(origin, [sampleFacts()]);
    let nowMs = 1_764_000_000_000;
    const data = await tempFolder();
    const tuning = { clock: () => nowMs };
    const first = await startTestCache(origin.url, { data, offlineMs: 600_000 }, tuning);
    await until(async () => (await statusOf(first.url))['ageSeconds'] === 0);
    await first.close();
    await origin.stop();

    nowMs += 60_000;
    const cache = await startTestCache(origin.url, { data, offlineMs: 600_000 }, tuning);
    const { status, headers, body } = await post(`${cache.url}/v1/check`, sampleAsk('v1'));
    expect([status, headers['rivulet-age']]).toEqual([200, '60']);
    const { plans, blobs } = JSON.parse(body.toString()) as Decision;
    expect(plans[0]?.kind).toBe('delta');
    expect(blobs).toEqual([`${cache.url}/v1/blobs/`, `${origin.url}/v1/blobs/`]);
    const releases = await ask(`${cache.url}/v1/releases`);
    expect([releases.status, releases.headers['rivulet-age']]).toEqual([200, '60']);
    expect((await ask(`${cache.url}/readyz`)).status).toBe(200);
    expect(await statusOf(cache.url)).toMatchObject({ reachable: false, ageSeconds: 60 });

    nowMs += 600_000;
    expect((await post(`${cache.url}/v1/check`, sampleAsk('v1'))).status).toBe(503);
  });

  test('hostile bodies are refused here', async () => {
    const origin = await startOrigin();
    const api = serveApi(origin, []);
    const cache = await startTestCache(origin.url);
    const url = `${cache.url}/v1/check`;
    expect((await post(url, { product: '../x' })).status).toBe(400);
    expect((await post(url, sampleAsk('v1'), { [DEVICE_HEADER]: 'no such\tdevice' })).status).toBe(
      400,
    );
    expect((await post(url, sampleAsk('v1'), { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(url, 'x'.repeat(300_000))).status).toBe(413);
    const broken = await ask(url, { method: 'POST', headers: json, body: '{' });
    expect(broken.status).toBe(400);
    expect((await ask(url)).status).toBe(405);
    expect((await post(url, sampleAsk('v1'), { host: 'a/b?c' })).status).toBe(400);
    expect(api.headers).toEqual([]);
  });
});

describe('reports', () => {
  test('go to the origin; are queued durably when it is gone; are sent in order later', async () => {
    const origin = await startOrigin();
    const api = serveApi(origin, []);
    const data = await tempFolder();
    const first = await startTestCache(origin.url, { data });
    expect((await post(eventsUrl(first.url), eventsOf(1))).status).toBe(200);
    await origin.stop();
    for (const seq of [2, 3, 4]) {
      expect((await post(eventsUrl(first.url), eventsOf(seq))).status).toBe(202);
    }
    expect((await statusOf(first.url))['queuedReports']).toBe(3);
    await first.close();

    const second = await startTestCache(origin.url, { data });
    expect((await post(eventsUrl(second.url), eventsOf(5))).status).toBe(202);
    await origin.start();
    await until(async () => (await statusOf(second.url))['queuedReports'] === 0);
    const seqs = api.reports.map(
      (body) => (JSON.parse(body) as { events: { seq: number }[] }).events[0]?.seq,
    );
    expect(seqs).toEqual([1, 2, 3, 4, 5]);
  });

  test('a new one waits behind those that the origin put off', async () => {
    const origin = await startOrigin();
    const api = serveApi(origin, []);
    const cache = await startTestCache(origin.url);
    await origin.stop();
    await post(eventsUrl(cache.url), eventsOf(1));
    api.eventStatus = 429;
    await origin.start();
    await until(() => api.headers.length > 0);
    api.eventStatus = 200;
    expect((await post(eventsUrl(cache.url), eventsOf(2))).status).toBe(202);
    expect(api.reports).toEqual([]);
  });

  test('one that the origin refuses for good does not hold up the others', async () => {
    const origin = await startOrigin();
    const api = serveApi(origin, []);
    const cache = await startTestCache(origin.url);
    await origin.stop();
    await post(eventsUrl(cache.url), eventsOf(1));
    api.eventStatus = 409;
    await origin.start();
    await until(async () => (await statusOf(cache.url))['queuedReports'] === 0);
    expect((await statusOf(cache.url))['droppedReports']).toBe(1);
    api.eventStatus = 200;
    expect((await post(eventsUrl(cache.url), eventsOf(2))).status).toBe(200);
  });

  test('hostile ones are refused', async () => {
    const origin = await startOrigin();
    const cache = await startTestCache(origin.url);
    expect((await post(eventsUrl(cache.url), { events: [] })).status).toBe(400);
    expect((await post(`${cache.url}/v1/decisions/x/events`, eventsOf(1))).status).toBe(400);
  });
});

describe('mirroring', () => {
  test('the delta of a version that lives here is there before it is asked for', async () => {
    const origin = await startOrigin();
    const delta = noise(50_003);
    const other = noise(50_004, 2);
    const meta = { manifest: noise(700, 3), config: noise(800, 4) };
    const platform = samplePlatform({
      manifest: { digest: origin.add(meta.manifest), size: 700 },
      config: { digest: origin.add(meta.config), size: 800 },
      deltas: [
        { from: named('v1'), digest: origin.add(delta), size: delta.length, ramBytes: 1 },
        { from: named('v0'), digest: origin.add(other), size: other.length, ramBytes: 1 },
      ],
    });
    const api = serveApi(origin, [sampleFacts(platform)]);
    const cache = await startTestCache(origin.url, { mirror: true });
    // A device that reports that it runs v1, and is never heard of again.
    const [os = '', arch = '', variant] = platform.platform.split('/');
    const event = eventsOf(1, 'healthy');
    const { product, channel } = api.facts[0] ?? { product: '', channel: '' };
    const reported = { product, channel, platform: platform.platform, to: named('v1') };
    await post(eventsUrl(cache.url), { ...event, decision: reported });
    const digest = platform.deltas[0]?.digest ?? '';
    await until(async () => {
      const { mirrored } = await statusOf(cache.url);
      return Array.isArray(mirrored) && mirrored.includes(digest);
    });
    expect(origin.seen.some((line) => line.includes(platform.deltas[1]?.digest ?? '-'))).toBe(
      false,
    );

    await origin.stop();
    const current = [{ kind: 'oci', name: product, digest: named('v1') }];
    const question = { ...sampleAsk('v1'), product, channel, os, arch, variant, current };
    const check = await post(`${cache.url}/v1/check`, question);
    const { plans, blobs } = JSON.parse(check.body.toString()) as Decision;
    expect(plans[0]?.digest).toBe(digest);
    const fetched = await ask(`${blobs[0] ?? ''}${digest}`);
    expect(fetched.body.equals(delta)).toBe(true);
    const manifest = await ask(`${blobs[0] ?? ''}${platform.manifest.digest}`);
    expect(manifest.body.equals(meta.manifest)).toBe(true);
  });

  test('a layer of the plan that a live version is offered is not evicted for what is newer', async () => {
    const origin = await startOrigin();
    const small = { manifest: noise(700, 3), config: noise(800, 4) };
    const image = noise(60_000, 5);
    const platform = samplePlatform({
      manifest: { digest: origin.add(small.manifest), size: 700 },
      config: { digest: origin.add(small.config), size: 800 },
      layers: [{ digest: origin.add(image), size: image.length, diffId: named('diff') }],
      deltas: [],
    });
    const [first = '', ...others] = [6, 7, 8].map((seed) => origin.add(noise(60_000, seed)));
    const api = serveApi(origin, [sampleFacts(platform)]);
    const cache = await startTestCache(origin.url, { budgetBytes: 190_000, refreshMs: 100 });
    const get = (digest: string): Promise<Answer> => ask(`${cache.url}/v1/blobs/${digest}`);
    const layer = platform.layers[0]?.digest ?? '';
    await get(layer);
    await get(first);
    const { product, channel } = api.facts[0] ?? { product: '', channel: '' };
    const reported = { product, channel, platform: platform.platform, to: named('v1') };
    await post(eventsUrl(cache.url), { ...eventsOf(1, 'healthy'), decision: reported });
    await until(() => origin.seen.filter((line) => line.endsWith('/v1/releases')).length > 2);
    for (const digest of others) expect((await get(digest)).status).toBe(200);
    await origin.stop();
    expect((await get(layer)).body.equals(image)).toBe(true);
    expect((await get(first)).status).toBe(503);
  });
});
