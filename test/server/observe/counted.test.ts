import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import type { Decision } from '../../../delta/agent/protocol.ts';
import { parseTag } from '../../../storage/names.ts';
import {
  startLiveCache,
  startLiveOrigin,
  type LiveOrigin,
  type LiveServer,
} from '../live-servers.ts';
import { FakeOrigin } from '../cache/origin.ts';
import { incompressible, pushImage } from '../sample-image.ts';
import { REPO, STABLE } from '../updates/origin-fixture.ts';
import { named } from '../updates/sample.ts';
import { readExposition, valueOf } from './exposition.ts';

const LAYER_BYTES = 50_000;

let dir: string;
let origin: LiveOrigin;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-counted-'));
  origin = await startLiveOrigin(dir);
});
afterEach(async () => {
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

/** The value of a series now; 0 when there is none yet. */
async function count(
  { url }: LiveServer,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return valueOf(readExposition(await response.text()), `rivulet_${name}`, labels) ?? 0;
}

async function pushStable() {
  const { blobs, catalog } = origin.store;
  const target = { blobs, repositories: catalog.repositories, repo: REPO };
  const layer = { data: incompressible('x', LAYER_BYTES) };
  return pushImage(target, { os: 'linux', architecture: 'amd64' }, [layer], STABLE);
}

function send({ url }: LiveServer, path: string, body: object, device = 'device-1') {
  return fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'rivulet-device': device },
    body: JSON.stringify(body),
  });
}

const ASK = {
  ...{ product: REPO, channel: STABLE, os: 'linux', arch: 'amd64', region: 'north' },
  ...{ current: [], accept: ['full'] },
};

describe('an origin counts', () => {
  it('checks by result and reason, and how long they took', async () => {
    await send(origin, '/v1/check', ASK);
    expect(await count(origin, 'checks_total', { result: 'none', reason: 'no_release' })).toBe(1);
    await pushStable();
    await send(origin, '/v1/check', ASK);
    expect(await count(origin, 'checks_total', { result: 'update', reason: 'full' })).toBe(1);
    expect(await count(origin, 'check_duration_seconds_count')).toBe(2);
    const route = '/v1/check';
    expect(await count(origin, 'http_requests_total', { route, status: '200' })).toBe(1);
    expect(await count(origin, 'http_request_duration_seconds_count', { route })).toBe(2);
  });

  it('what applied updates saved and healthy ones cost, each report once', async () => {
    const image = await pushStable();
    const asked = await send(origin, '/v1/check', ASK);
    const { id, target, plans } = (await asked.json()) as Decision;
    const full = plans[0]?.size ?? 0;
    expect(full).toBeGreaterThan(LAYER_BYTES);
    const report = (seq: number, event: object) =>
      send(origin, `/v1/decisions/${id}/events`, {
        decision: { product: REPO, channel: STABLE, platform: 'linux/amd64', to: target.digest },
        events: [{ seq, atMs: 1, ...event }],
      });
    const applied = { type: 'applied', plan: 'delta', bytes: 1000 };
    await report(1, { type: 'downloading', plan: 'delta', bytes: 1000 });
    expect(await count(origin, 'bytes_saved_total', { plan: 'delta' })).toBe(0);
    for (let i = 0; i < 2; i += 1) expect((await report(2, applied)).status).toBe(200);
    expect(await count(origin, 'bytes_saved_total', { plan: 'delta' })).toBe(full - 1000);
    await report(3, { ...applied, plan: 'full', bytes: full + 5 });
    expect(await count(origin, 'bytes_saved_total', { plan: 'full' })).toBe(0);
    expect(image.digest).toBe(target.digest);
    const healthy = { type: 'healthy', plan: 'full', bytes: 900, wireBytes: 1234 };
    for (let i = 0; i < 2; i += 1) await report(4, healthy);
    expect(await count(origin, 'update_bytes_total', { plan: 'full' })).toBe(900);
    expect(await count(origin, 'update_wire_bytes_total', { plan: 'full' })).toBe(1234);
  });

  it('bytes of blobs and ranges by kind', async () => {
    const { digest, size } = await origin.store.blobs.putBytes(Buffer.alloc(1000, 'x'));
    const get = async (range?: string): Promise<void> => {
      const headers: Record<string, string> = range === undefined ? {} : { range };
      await (await fetch(`${origin.url}/v1/blobs/${digest}`, { headers })).arrayBuffer();
    };
    for (const range of [undefined, 'bytes=0-9', 'bytes=0-1,5-6', 'bytes=5000-', 'pages=1']) {
      await get(range);
    }
    const served = { tier: 'origin' };
    expect(await count(origin, 'bytes_served_total', { ...served, kind: 'whole' })).toBe(2 * size);
    expect(await count(origin, 'bytes_served_total', { ...served, kind: 'range' })).toBe(10);
    for (const kind of ['range', 'multirange', 'unsatisfiable', 'ignored']) {
      expect(`${kind} ${await count(origin, 'range_requests_total', { kind })}`).toBe(`${kind} 1`);
    }
  });

  it('devices by what they run and where, from the catalog of now', async () => {
    for (const device of ['a', 'b']) await send(origin, '/v1/check', ASK, device);
    const place = { product: REPO, region: 'north', arch: 'linux/amd64' };
    expect(await count(origin, 'devices', { ...place, version: 'none' })).toBe(2);
    const current = [{ kind: 'oci', name: REPO, digest: named('v1') }];
    await send(origin, '/v1/check', { ...ASK, current }, 'a');
    expect(await count(origin, 'devices', { ...place, version: 'none' })).toBe(1);
    const version = named('v1').slice('sha256:'.length, 'sha256:'.length + 12);
    expect(await count(origin, 'devices', { ...place, version })).toBe(1);
  });

  it('never more series of devices than a scraper can bear', async () => {
    const { fleet } = origin.store.catalog;
    for (let i = 0; i < 520; i += 1) {
      const facts = { product: REPO, channel: STABLE, platform: 'linux/amd64', region: `r${i}` };
      await fleet.seen({ kind: 'oci', id: `device-${i}`, ...facts, seenMs: 1 });
    }
    const text = await (await fetch(`${origin.url}/metrics`)).text();
    const series = readExposition(text).filter(({ name }) => name === 'rivulet_devices');
    expect(series).toHaveLength(501);
    expect(await count(origin, 'devices', { region: 'other' })).toBe(20);
  });

  it('the queue of deltas and how much of the matrix is done', async () => {
    const { deltas } = origin.store.catalog;
    const pair = { repo: REPO, tag: parseTag('stable'), platform: 'linux/amd64', to: named('v3') };
    await deltas.ensure(
      [
        { ...pair, from: named('v1') },
        { ...pair, from: named('v2') },
      ],
      0,
    );
    expect(await count(origin, 'delta_queue_depth')).toBe(2);
    expect(await count(origin, 'delta_coverage_ratio', { product: REPO })).toBe(0);
    const claim = await deltas.claim('test', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    await deltas.publish(claim.delta.id, claim.lease, {
      ...{ digest: named('delta'), size: 10, fullSize: 100, ramBytes: 1, buildMs: 1, applyMs: 1 },
      codecs: {},
    });
    expect(await count(origin, 'delta_queue_depth')).toBe(1);
    expect(await count(origin, 'delta_coverage_ratio', { product: REPO })).toBe(0.5);
  });

  it('goes on counting without its catalog', async () => {
    await origin.store.catalog.close();
    const samples = readExposition(await (await fetch(`${origin.url}/metrics`)).text());
    expect(valueOf(samples, 'rivulet_devices')).toBeUndefined();
    expect(valueOf(samples, 'rivulet_check_duration_seconds_count')).toBe(0);
  });
});

describe('a cache counts', () => {
  it('hits and misses, fills, and bytes from the origin and to devices', async () => {
    const { digest, size } = await origin.store.blobs.putBytes(Buffer.alloc(200_000, 'y'));
    const cache = await startLiveCache(dir, origin.url);
    onTestFinished(cache.close);
    for (let i = 0; i < 3; i += 1) {
      await (await fetch(`${cache.url}/v1/blobs/${digest}`)).arrayBuffer();
    }
    expect(await count(cache, 'cache_requests_total', { result: 'miss' })).toBe(1);
    expect(await count(cache, 'cache_requests_total', { result: 'hit' })).toBe(2);
    // And the list of releases, which it asks for when it starts.
    const fetched = await count(cache, 'origin_bytes_total');
    expect(fetched).toBeGreaterThanOrEqual(size);
    expect(fetched).toBeLessThan(size + 1000);
    expect(await count(cache, 'bytes_served_total', { tier: 'cache' })).toBe(3 * size);
  });

  it('fills while they run', async () => {
    const slow = new FakeOrigin();
    await slow.start();
    onTestFinished(() => slow.stop());
    slow.pauseMs = 100;
    const digest = slow.add(Buffer.alloc(1_000_000, 'z'));
    const cache = await startLiveCache(dir, slow.url);
    onTestFinished(cache.close);
    const running = fetch(`${cache.url}/v1/blobs/${digest}`).then((answer) => answer.arrayBuffer());
    await expect.poll(() => count(cache, 'cache_fill_inflight'), { interval: 10 }).toBe(1);
    await running;
    await expect.poll(() => count(cache, 'cache_fill_inflight')).toBe(0);
  });
});
