import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type {
  OstreeCheckRequest,
  OstreeDecision,
} from '../../../../delta/agent/ostree-protocol.ts';
import { DEVICE_HEADER, REASON_HEADER } from '../../../../delta/agent/protocol.ts';
import { formatCommitmeta } from '../../../../delta/ostree/commitmeta.ts';
import type { OstreeChecksum } from '../../../../storage/ostree/checksum.ts';
import { batchOf, nameOf, record, sum } from '../../../suites/catalog/ostree-names.ts';
import { post, startOriginFixture, type OriginFixture } from '../origin-fixture.ts';
import { OS, PushedCommits, REF } from './pushed.ts';

let origin: OriginFixture;
let pushed: PushedCommits;
let old: OstreeChecksum;
let current: OstreeChecksum;

beforeEach(async () => {
  origin = await startOriginFixture();
  pushed = new PushedCommits(origin);
  old = await pushed.push('one');
  current = await pushed.push('two');
});

afterEach(async () => {
  await origin.close();
});

function running(
  commit: OstreeChecksum | undefined,
  changes: Partial<OstreeCheckRequest> = {},
): OstreeCheckRequest {
  return {
    kind: 'ostree',
    product: OS,
    channel: REF,
    current: commit === undefined ? [] : [{ kind: 'ostree', name: OS, ref: REF, commit }],
    accept: ['ostree-delta', 'ostree-objects'],
    ...changes,
  };
}

const check = (ask: unknown, headers: Readonly<Record<string, string>> = {}) =>
  post(origin.server, '/v1/check', ask, headers);

async function reason(ask: unknown): Promise<string | null> {
  const response = await check(ask);
  expect(response.status).toBe(204);
  return response.headers.get(REASON_HEADER);
}

async function decision(
  ask: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<OstreeDecision> {
  const response = await check(ask, headers);
  expect(response.status).toBe(200);
  const body: unknown = await response.json();
  expect(origin.contract.faults('OstreeDecision', body)).toEqual([]);
  return body as OstreeDecision;
}

const rows = (from?: OstreeChecksum) =>
  origin.store.catalog.ostreeDeltas.list({ repo: OS, from, limit: 100 });

describe('a check of an OSTree ref', () => {
  it('answers with no release, up to date, or the commit to pull', async () => {
    expect(await reason(running(old, { channel: 'os/none' }))).toBe('no_release');
    expect(await reason(running(old, { product: 'no/such' }))).toBe('no_release');
    expect(await reason(running(current))).toBe('up_to_date');
    const { target, plans, repositories, from } = await decision(running(undefined));
    const [head] = await origin.store.catalog.ostree.refs(OS, REF);
    expect(target).toEqual({
      kind: 'ostree',
      repo: OS,
      ref: REF,
      commit: current,
      releaseCounter: head?.moveId,
    });
    expect(from).toBeUndefined();
    expect(plans.map(({ kind, requests }) => [kind, requests])).toEqual([['ostree-objects', 8]]);
    expect(plans[0]?.size).toBeGreaterThan(60_000);
    expect(repositories).toEqual([`${origin.server.url}/ostree/${OS}`]);
  });

  it('plans the delta of a device at once, lets it wait, and offers what was measured', async () => {
    expect(await reason(running(old))).toBe('delta_building');
    expect(await reason(running(old))).toBe('delta_building');
    expect(origin.pokes).toBe(1);
    expect((await rows()).map(({ ref, from, to }) => [ref, from, to])).toEqual([
      [REF, old, current],
    ]);
    expect(await pushed.build()).toEqual(['published']);
    const [row] = await rows();
    if (row?.result === undefined) throw new Error('no result');
    const { superblockBytes, partBytes, fallbackBytes, fullBytes, fullRequests, requests } =
      row.result;
    const { plans, from } = await decision(running(old));
    expect(from).toBe(old);
    expect(plans).toEqual([
      {
        kind: 'ostree-delta',
        from: old,
        size: superblockBytes + partBytes + fallbackBytes,
        superblockBytes,
        partBytes,
        fallbackBytes,
        requests,
      },
      { kind: 'ostree-objects', from: old, size: fullBytes, requests: fullRequests },
    ]);
    // What nobody builds is measured alike.
    const { ostreeDeltas } = origin.store.catalog;
    expect(await ostreeDeltas.loose({ repo: OS, from: old, to: current })).toEqual({
      bytes: fullBytes,
      requests: fullRequests,
    });
    const metric = await origin.metrics.registry.getSingleMetricAsString('rivulet_checks_total');
    expect(metric).toMatch(/result="update",reason="ostree-delta"} 1/);
  });

  it('measures the step of a device that takes no delta, and plans none', async () => {
    const { plans } = await decision(running(old, { accept: ['ostree-objects'] }));
    const whole = await decision(running(undefined));
    expect(plans).toHaveLength(1);
    expect(plans[0]?.requests).toBe(7);
    expect(plans[0]?.size).toBeLessThan(whole.plans[0]?.size ?? 0);
    expect(await rows()).toEqual([]);
    expect(origin.pokes).toBe(0);
  });

  it('a commit that the repository does not hold whole is no base', async () => {
    const half = record('commit', 'half pushed', [nameOf('dirtree', 'never came')]);
    await origin.store.catalog.ostree.addObjects(OS, batchOf(half));
    for (const commit of [sum('never pushed'), sum('half pushed')]) {
      const { plans } = await decision(running(commit));
      expect(plans.map(({ kind, requests }) => [kind, requests])).toEqual([['ostree-objects', 8]]);
    }
    expect(await rows()).toEqual([]);
  });

  it('gets the objects once its delta has failed for good', async () => {
    expect(await reason(running(old))).toBe('delta_building');
    const { ostreeDeltas } = origin.store.catalog;
    const claim = await ostreeDeltas.claim('test', 60_000);
    if (claim === undefined) throw new Error('nothing to claim');
    await ostreeDeltas.fail(claim.delta.id, claim.lease, 'broken', undefined);
    const { plans } = await decision(running(old));
    expect(plans.map(({ kind, requests }) => [kind, requests])).toEqual([['ostree-objects', 7]]);
    expect(origin.pokes).toBe(1);
  });

  it('a delta that was retired lately is offered again with nothing to build', async () => {
    expect(await reason(running(old))).toBe('delta_building');
    await pushed.build();
    await origin.store.catalog.ostreeDeltas.retire((await rows()).map(({ id }) => id));
    const { plans } = await decision(running(old));
    expect(plans[0]?.kind).toBe('ostree-delta');
    expect(await pushed.build()).toEqual([]);
  });

  it('counts the signatures that superblocks carry by now', async () => {
    await reason(running(old));
    await pushed.build();
    const unsigned = (await decision(running(old))).plans[0]?.size ?? 0;
    const signature = Buffer.alloc(700, 1);
    const meta = formatCommitmeta([['ostree.gpgsigs', { type: 'aay', value: [signature] }]]);
    await origin.store.catalog.ostree.putCommitmeta(OS, current, meta, 'any');
    const signed = (await decision(running(old))).plans[0]?.size ?? 0;
    expect(signed).toBeGreaterThan(unsigned + signature.length);
  });

  it('names the cache that forwarded, its region, and the origin last', async () => {
    const headers = { 'rivulet-region': 'eu', 'rivulet-cache-url': 'https://cache.example/site' };
    const { repositories } = await decision(running(undefined), headers);
    expect(repositories).toEqual(
      ['https://cache.example/site', 'http://eu.example', origin.server.url].map(
        (url) => `${url}/ostree/${OS}`,
      ),
    );
  });

  it.each<[string, unknown, RegExp]>([
    ['no ref', { channel: '-x' }, /OstreeCheckRequest: \/channel/],
    [
      'a digest for a commit',
      { current: [{ kind: 'ostree', name: OS, digest: 'a' }] },
      /current\/0/,
    ],
    ['an image as what runs', { current: [{ kind: 'oci', name: OS, commit: 'a' }] }, /current\/0/],
    ['an image plan', { accept: ['delta'] }, /\/accept\/0/],
    ['a platform', { os: 'linux' }, /"os"/],
    ['another kind', { kind: 'snap' }, /no CheckRequest/],
  ])('%s is refused', async (_what, change, detail) => {
    const response = await check({ ...running(old), ...(change as object) });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { detail: string }).detail).toMatch(detail);
  });
});

describe('the fleet', () => {
  it('files the device beside what it runs of images, and lists both', async () => {
    await reason(running(old));
    await origin.check({
      product: 'demo/app',
      channel: 'stable',
      os: 'linux',
      arch: 'amd64',
      current: [],
      accept: ['full'],
    });
    const list = async (query: string) => {
      const response = await fetch(`${origin.server.url}/v1/devices${query}`);
      expect(response.status).toBe(200);
      const page: unknown = await response.json();
      expect(origin.contract.faults('DevicesResponse', page)).toEqual([]);
      return page as { devices: { kind: string; current?: string }[]; next?: string };
    };
    const { devices } = await list('');
    expect(devices).toMatchObject([{ kind: 'oci' }, { kind: 'ostree', current: old }]);
    expect(Object.keys(devices[1] ?? {})).not.toContain('platform');
    const first = await list('?limit=1');
    const next = await list((first.next ?? '').replace('/v1/devices', ''));
    expect([...first.devices, ...next.devices]).toEqual(devices);
    const metrics = await (await fetch(`${origin.server.url}/metrics`)).text();
    const version = old.slice(0, 12);
    expect(metrics).toContain(
      `rivulet_devices{product="${OS}",version="${version}",region="",arch=""} 1`,
    );
  });

  it('files events once, moves the device, and counts what the delta saved', async () => {
    await reason(running(old));
    await pushed.build();
    const { id, plans } = await decision(running(old));
    const [delta, objects] = plans;
    const body = {
      kind: 'ostree',
      decision: { product: OS, channel: REF, from: old, to: current },
      events: [
        { seq: 1, type: 'applied', atMs: 1, plan: 'ostree-delta', bytes: delta?.size },
        { seq: 2, type: 'healthy', atMs: 2 },
      ],
    };
    const report = (changed: object = {}, device = 'device-1') =>
      post(
        origin.server,
        `/v1/decisions/${id}/events`,
        { ...body, ...changed },
        { [DEVICE_HEADER]: device },
      );
    expect(await (await report()).json()).toEqual({ recorded: 2 });
    expect(await (await report()).json()).toEqual({ recorded: 0 });
    expect((await report({}, 'somebody')).status).toBe(409);
    const elsewhere = { ...body.decision, to: sum('elsewhere') };
    expect((await report({ decision: elsewhere })).status).toBe(409);
    const { fleet } = origin.store.catalog;
    expect((await fleet.device('device-1', 'ostree'))?.current).toBe(current);
    const saved = await origin.metrics.bytesSaved.get();
    expect(saved.values).toMatchObject([
      { labels: { plan: 'ostree-delta' }, value: (objects?.size ?? 0) - (delta?.size ?? 0) },
    ]);
  });

  it('files what a cache decided alone', async () => {
    const id = 'b'.repeat(32);
    const body = {
      kind: 'ostree',
      decision: { product: OS, channel: REF, region: 'eu', to: current },
      events: [{ seq: 0, type: 'healthy', atMs: 5 }],
    };
    const sent = await post(origin.server, `/v1/decisions/${id}/events`, body);
    expect(await sent.json()).toEqual({ recorded: 1 });
    const { fleet } = origin.store.catalog;
    expect(await fleet.decision(id)).toMatchObject({ kind: 'ostree', to: current });
    expect(await fleet.device('device-1', 'ostree')).toMatchObject({ region: 'eu', current });
  });
});
