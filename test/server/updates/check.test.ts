import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { DEVICE_HEADER, REASON_HEADER, type Decision } from '../../../delta/agent/protocol.ts';
import type { Descriptor } from '../../../storage/descriptor.ts';
import type { DeltaResult } from '../../../storage/catalog/delta-catalog.ts';
import type { Digest } from '../../../storage/digest.ts';
import { incompressible, pushImage, pushIndex } from '../sample-image.ts';
import { post, REPO, STABLE, startOriginFixture, type OriginFixture } from './origin-fixture.ts';
import { named, sampleAsk } from './sample.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };
const RESULT: DeltaResult = {
  digest: named('delta'),
  size: 10,
  fullSize: 100,
  ramBytes: 1,
  buildMs: 1,
  applyMs: 1,
  codecs: {},
};

let origin: OriginFixture;
let old: Descriptor;
let oldArm: Descriptor;
let current: Descriptor;

beforeAll(async () => {
  origin = await startOriginFixture();
  const push = (platform: typeof AMD64, version: string) =>
    pushImage(origin.target, platform, [{ app: incompressible(version, 4000) }]);
  old = await push(AMD64, 'one');
  oldArm = await push(ARM64, 'one');
  await pushIndex(origin.target, [old, oldArm], STABLE);
  current = await push(AMD64, 'two');
  await pushIndex(origin.target, [current], STABLE);
});

afterAll(async () => {
  await origin.close();
});

beforeEach(() => {
  origin.pokes = 0;
});

/** The default device's question when it runs the image. */
function running(digest: Digest | undefined) {
  const ask = sampleAsk(undefined);
  return digest === undefined
    ? ask
    : { ...ask, current: [{ kind: 'oci' as const, name: REPO, digest }] };
}

async function reason(response: Response): Promise<string | null> {
  expect(response.status).toBe(204);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await response.text()).toBe('');
  return response.headers.get(REASON_HEADER);
}

async function decision(response: Response): Promise<Decision> {
  expect(response.status).toBe(200);
  return (await response.json()) as Decision;
}

const rows = () => origin.store.catalog.deltas.list({ repo: REPO, limit: 100 });

describe('what a device may ask for', () => {
  it('the whole image, first', async () => {
    const found = await decision(await origin.check(running(undefined)));
    expect(found.target.digest).toBe(current.digest);
    expect(found.plans.map(({ kind }) => kind)).toEqual(['full']);
  });

  it('nothing, when it is up to date or its channel has nothing', async () => {
    expect(await reason(await origin.check(running(current.digest)))).toBe('up_to_date');
    const other = { ...running(undefined), channel: 'beta' };
    expect(await reason(await origin.check(other))).toBe('no_release');
    const unknown = { ...running(undefined), product: 'no/such' };
    expect(await reason(await origin.check(unknown))).toBe('no_release');
    const arm = { ...running(undefined), arch: 'arm64' };
    expect(await reason(await origin.check(arm))).toBe('no_release');
  });

  it('a base that the repository does not hold, or of another platform, makes no delta', async () => {
    for (const digest of [named('never pushed'), oldArm.digest]) {
      const found = await decision(await origin.check(running(digest)));
      expect(found.plans.map(({ kind }) => kind)).toEqual(['full']);
    }
    expect(await rows()).toEqual([]);
    expect(origin.pokes).toBe(0);
  });
});

describe('a device that needs a delta nobody planned', () => {
  it('makes the matrix build it at once, waits, and is offered it', async () => {
    const device = { ...running(old.digest), accept: ['full' as const] };
    expect((await origin.check(device)).status).toBe(200);
    expect(await rows()).toEqual([]);

    expect(await reason(await origin.check(running(old.digest)))).toBe('delta_building');
    expect(origin.pokes).toBe(1);
    expect(await rows()).toMatchObject([
      { platform: 'linux/amd64', tag: 'stable', from: old.digest, to: current.digest },
    ]);
    expect(await reason(await origin.check(running(old.digest)))).toBe('delta_building');
    expect(await rows()).toHaveLength(1);
    expect(origin.pokes).toBe(1);

    const claim = await origin.store.catalog.deltas.claim('test', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    expect(await reason(await origin.check(running(old.digest)))).toBe('delta_building');
    await origin.store.catalog.deltas.publish(claim.delta.id, claim.lease, RESULT);
    const found = await decision(await origin.check(running(old.digest)));
    expect(found.plans.map(({ kind }) => kind)).toEqual(['delta', 'full']);
    expect(found).toMatchObject({
      from: old.digest,
      plans: [{ digest: named('delta'), size: 10 }, {}],
    });
    expect(await origin.metrics.registry.getSingleMetricAsString('rivulet_checks_total')).toMatch(
      /result="update",reason="delta"} 1/,
    );
  });

  it('gets the other plans once its delta has failed for good, and does not start it again', async () => {
    const next = await pushImage(origin.target, AMD64, [{ app: incompressible('three', 4000) }]);
    await pushIndex(origin.target, [next], STABLE);
    expect(await reason(await origin.check(running(old.digest)))).toBe('delta_building');
    const claim = await origin.store.catalog.deltas.claim('test', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    await origin.store.catalog.deltas.fail(claim.delta.id, claim.lease, 'broken', undefined);
    const found = await decision(await origin.check(running(old.digest)));
    expect(found.plans.map(({ kind }) => kind)).toEqual(['full']);
    expect(origin.pokes).toBe(1);
  });
});

describe('where blobs come from', () => {
  const base = (url: string) => `${url}/v1/blobs/`;

  it.each<[string, Readonly<Record<string, string>>, string | undefined, readonly string[]]>([
    ['the origin alone', {}, undefined, []],
    ['a region of the body', {}, 'eu', [base('http://eu.example')]],
    ['a region without caches', {}, 'us', []],
    ['a region called like a member of every object', {}, 'constructor', []],
    [
      'a cache, then its region, then the origin',
      { 'rivulet-region': 'eu', 'rivulet-cache-url': 'https://cache.example:8443/site/' },
      'us',
      [base('https://cache.example:8443/site'), base('http://eu.example')],
    ],
    [
      'a cache URL without a region counts nothing',
      { 'rivulet-cache-url': 'http://evil/' },
      undefined,
      [],
    ],
    [
      'no base twice',
      { 'rivulet-region': 'eu', 'rivulet-cache-url': 'http://eu.example' },
      undefined,
      [base('http://eu.example')],
    ],
  ])('%s', async (_what, headers, region, expected) => {
    const ask = region === undefined ? running(undefined) : { ...running(undefined), region };
    const found = await decision(await origin.check(ask, headers));
    expect(found.blobs).toEqual([...expected, base(origin.server.url)]);
  });
});

describe('the device is filed', () => {
  it('as it reports itself, with the region of its cache', async () => {
    const ask = { ...running(old.digest), region: 'us' };
    await origin.check(ask, { [DEVICE_HEADER]: 'filed', 'rivulet-region': 'eu' });
    expect(await origin.store.catalog.fleet.device('filed', 'oci')).toEqual({
      id: 'filed',
      kind: 'oci',
      product: REPO,
      channel: STABLE,
      platform: 'linux/amd64',
      region: 'eu',
      current: old.digest,
      seenMs: origin.nowMs,
    });
  });

  it('again when it changed or after a while, not at each check', async () => {
    const headers = { [DEVICE_HEADER]: 'again' };
    const seen = async () => (await origin.store.catalog.fleet.device('again', 'oci'))?.seenMs;
    const startMs = origin.nowMs;
    await origin.check(running(old.digest), headers);
    origin.nowMs = startMs + 1000;
    await origin.check(running(old.digest), headers);
    expect(await seen()).toBe(startMs);
    await origin.check(running(current.digest), headers);
    expect(await seen()).toBe(startMs + 1000);
    origin.nowMs = startMs + 120_000;
    await origin.check(running(current.digest), headers);
    expect(await seen()).toBe(startMs + 120_000);
  });
});

describe('events', () => {
  const report = (id: string, body: unknown, device = 'reporter') =>
    post(origin.server, `/v1/decisions/${id}/events`, body, { [DEVICE_HEADER]: device });

  it('are filed once, and healthy moves the device', async () => {
    const ask = { ...running(old.digest), accept: ['full' as const] };
    const offered = await decision(await origin.check(ask, { [DEVICE_HEADER]: 'reporter' }));
    const body = {
      decision: {
        product: REPO,
        channel: STABLE,
        platform: 'linux/amd64',
        from: old.digest,
        to: offered.target.digest,
      },
      events: [
        { seq: 1, type: 'downloading', atMs: 1, plan: 'full' },
        { seq: 2, type: 'healthy', atMs: 2, bytes: 77 },
      ],
    };
    expect(await (await report(offered.id, body)).json()).toEqual({ recorded: 2 });
    expect(await (await report(offered.id, body)).json()).toEqual({ recorded: 0 });
    expect(await origin.store.catalog.fleet.events(offered.id)).toHaveLength(2);
    const device = await origin.store.catalog.fleet.device('reporter', 'oci');
    expect(device?.current).toBe(offered.target.digest);

    const stolen = await report(offered.id, body, 'somebody-else');
    expect(stolen.status).toBe(409);
    const elsewhere = { ...body, decision: { ...body.decision, to: named('elsewhere') } };
    expect((await report(offered.id, elsewhere)).status).toBe(409);
  });

  it('of a decision that a cache took alone are filed with the device', async () => {
    const body = {
      decision: { product: REPO, channel: STABLE, platform: 'linux/arm/v7', to: named('x') },
      events: [{ seq: 0, type: 'healthy', atMs: 5 }],
    };
    const id = 'a'.repeat(32);
    expect(await (await report(id, body, 'stranger')).json()).toEqual({ recorded: 1 });
    expect(await origin.store.catalog.fleet.decision(id)).toMatchObject({
      deviceId: 'stranger',
      to: named('x'),
    });
    expect(await origin.store.catalog.fleet.device('stranger', 'oci')).toMatchObject({
      platform: 'linux/arm/v7',
      current: named('x'),
    });
    expect((await report('../../etc', body)).status).toBe(404);
    expect((await report('short', body)).status).toBe(400);
  });
});
