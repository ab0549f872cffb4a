import { describe, expect, test } from 'vitest';

import type {
  DeviceEvent,
  ImageDevice,
  OstreeDevice,
} from '../../../storage/catalog/fleet-catalog.ts';
import { parseTag } from '../../../storage/names.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { named, REPO, STABLE } from './names.ts';
import { MAIN, sum } from './ostree-names.ts';

const T = 1_700_000_000_000;

function device(id: string, facts: Partial<ImageDevice> = {}): ImageDevice {
  return {
    id,
    kind: 'oci',
    product: REPO,
    channel: STABLE,
    platform: 'linux/arm64',
    region: 'north',
    seenMs: T,
    ...facts,
  };
}

function commitDevice(id: string, facts: Partial<OstreeDevice> = {}): OstreeDevice {
  return { id, kind: 'ostree', product: REPO, channel: MAIN, region: 'north', seenMs: T, ...facts };
}

function decision(id: string, to: string, createdMs = T) {
  const step = { from: named('v1'), to: named(to) };
  return { id, kind: 'oci' as const, deviceId: 'dev', product: REPO, ...step, createdMs };
}

function commitDecision(id: string, to: string, createdMs = T) {
  const step = { from: sum('c1'), to: sum(to) };
  return { id, kind: 'ostree' as const, deviceId: 'dev', product: REPO, ...step, createdMs };
}

function event(seq: number, type: DeviceEvent['type']): DeviceEvent {
  return { seq, type, atMs: T + seq };
}

export function fleetSuite(setup: CatalogUnderTest): void {
  describe('fleet: devices', () => {
    test('a sighting is kept, a newer one replaces it', async () => {
      const { fleet } = (await setup()).catalog;
      expect(await fleet.device('dev', 'oci')).toBeUndefined();
      await fleet.seen(device('dev'));
      expect(await fleet.device('dev', 'oci')).toEqual(device('dev'));
      const moved = device('dev', {
        channel: parseTag('beta'),
        platform: 'linux/amd64',
        region: 'south',
        current: named('v1'),
        seenMs: T + 1,
      });
      await fleet.seen(moved);
      expect(await fleet.device('dev', 'oci')).toEqual(moved);
    });

    test('neither a late nor a vague sighting loses what is known', async () => {
      const { fleet } = (await setup()).catalog;
      const known = device('dev', { current: named('v2'), seenMs: T + 10 });
      await fleet.seen(known);
      await fleet.seen(device('dev', { current: named('v1'), region: 'old', seenMs: T }));
      expect(await fleet.device('dev', 'oci')).toEqual(known);
      await fleet.seen(device('dev', { region: '', seenMs: T + 20 }));
      expect(await fleet.device('dev', 'oci')).toEqual({ ...known, seenMs: T + 20 });
    });

    test('devices are counted by what they run and where', async () => {
      const { fleet } = (await setup()).catalog;
      expect(await fleet.counts()).toEqual([]);
      const current = named('v1');
      for (const id of ['a', 'b']) await fleet.seen(device(id, { current }));
      await fleet.seen(device('c', { current, region: 'south' }));
      await fleet.seen(device('d'));
      const place = { kind: 'oci', product: REPO, platform: 'linux/arm64', region: 'north' };
      const counts = await fleet.counts();
      expect(counts).toHaveLength(3);
      expect(counts).toEqual(
        expect.arrayContaining([
          { ...place, current, devices: 2 },
          { ...place, current, region: 'south', devices: 1 },
          { ...place, devices: 1 },
        ]),
      );
    });

    test('devices are paginated', async () => {
      const { fleet } = (await setup()).catalog;
      for (const id of ['c', 'a', 'b']) await fleet.seen(device(id));
      const page = async (limit: number, last?: string) =>
        (await fleet.devices({ limit, last: last === undefined ? last : { id: last } })).map(
          (row) => row.id,
        );
      expect(await page(2)).toEqual(['a', 'b']);
      expect(await page(2, 'b')).toEqual(['c']);
    });

    test('live lists what recently seen devices run, each once', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('a', { current: named('v1') }));
      await fleet.seen(device('b', { current: named('v1') }));
      await fleet.seen(device('c', { current: named('v1'), platform: 'linux/amd64' }));
      await fleet.seen(device('d', { current: named('v0'), seenMs: T - 1 }));
      await fleet.seen(device('e'));
      expect(await fleet.liveImages(T)).toEqual([
        { product: REPO, channel: STABLE, platform: 'linux/amd64', current: named('v1') },
        { product: REPO, channel: STABLE, platform: 'linux/arm64', current: named('v1') },
      ]);
    });
  });

  describe('fleet: commits beside images', () => {
    test('a device has a row of each kind', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('dev', { current: named('v1') }));
      expect(await fleet.device('dev', 'ostree')).toBeUndefined();
      await fleet.seen(commitDevice('dev', { current: sum('c1') }));
      await fleet.seen(commitDevice('dev', { region: '', seenMs: T + 1 }));
      const commit = commitDevice('dev', { current: sum('c1'), seenMs: T + 1 });
      expect(await fleet.device('dev', 'ostree')).toEqual(commit);
      expect(await fleet.device('dev', 'oci')).toEqual(device('dev', { current: named('v1') }));
      expect(await fleet.counts()).toEqual(
        expect.arrayContaining([
          { kind: 'ostree', product: REPO, region: 'north', current: sum('c1'), devices: 1 },
        ]),
      );
    });

    test('pages end between the rows of a device, too', async () => {
      const { fleet } = (await setup()).catalog;
      for (const id of ['b', 'a']) {
        await fleet.seen(device(id));
        await fleet.seen(commitDevice(id));
      }
      const all = await fleet.devices({ limit: 9 });
      expect(all.map(({ id, kind }) => `${id} ${kind}`)).toEqual([
        'a oci',
        'a ostree',
        'b oci',
        'b ostree',
      ]);
      const behind = async (id: string, kind?: 'oci' | 'ostree') =>
        (await fleet.devices({ last: { id, kind }, limit: 9 })).length;
      expect(await behind('a', 'oci')).toBe(3);
      expect(await behind('a', 'ostree')).toBe(2);
      expect(await behind('a')).toBe(2);
    });

    test('live tells each kind by itself', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('a', { current: named('v1') }));
      for (const id of ['a', 'b']) await fleet.seen(commitDevice(id, { current: sum('c1') }));
      await fleet.seen(commitDevice('c', { current: sum('c0'), seenMs: T - 1 }));
      await fleet.seen(commitDevice('d'));
      expect(await fleet.liveCommits(T)).toEqual([
        { product: REPO, channel: MAIN, current: sum('c1') },
      ]);
      expect(await fleet.liveImages(T)).toHaveLength(1);
    });

    test('healthy moves the row of its kind, whatever else was healthy since', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('dev', { current: named('v1') }));
      await fleet.seen(commitDevice('dev', { current: sum('c1') }));
      await fleet.decide(commitDecision('d1', 'c2'));
      await fleet.decide(decision('d2', 'v2', T + 1));
      expect(await fleet.decision('d1')).toEqual(commitDecision('d1', 'c2'));
      await fleet.report('d2', [event(1, 'healthy')]);
      expect((await fleet.device('dev', 'ostree'))?.current).toBe(sum('c1'));
      await fleet.report('d1', [event(1, 'healthy')]);
      expect((await fleet.device('dev', 'ostree'))?.current).toBe(sum('c2'));
      expect((await fleet.device('dev', 'oci'))?.current).toBe(named('v2'));
    });
  });

  describe('fleet: decisions and events', () => {
    test('a decision is recorded once', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.decide(decision('d1', 'v2'));
      await fleet.decide(decision('d1', 'v3', T + 1));
      expect(await fleet.decision('d1')).toEqual(decision('d1', 'v2'));
      const { id, kind, deviceId, product, to, createdMs } = decision('d2', 'v2');
      const first = { id, kind, deviceId, product, to, createdMs };
      await fleet.decide(first);
      expect(await fleet.decision('d2')).toEqual(first);
      expect(await fleet.decision('d3')).toBeUndefined();
    });

    test('events are idempotent by seq and ordered', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.decide(decision('d1', 'v2'));
      const full = {
        ...event(2, 'failed'),
        plan: 'delta',
        bytes: 12345,
        wireBytes: 15_000_000_000,
        code: 'output_mismatch',
        message: 'layer 2',
      };
      expect((await fleet.report('d1', [full, event(1, 'downloading')])).toSorted()).toEqual([
        1, 2,
      ]);
      expect(await fleet.report('d1', [event(1, 'healthy'), event(3, 'rolled_back')])).toEqual([3]);
      expect(await fleet.report('d1', [])).toEqual([]);
      expect(await fleet.events('d1')).toEqual([
        event(1, 'downloading'),
        full,
        event(3, 'rolled_back'),
      ]);
    });

    test('what the last update cost is told for each device and kind', async () => {
      const { fleet } = (await setup()).catalog;
      expect(await fleet.lastCosts([])).toEqual([]);
      for (const id of ['dev', 'other']) await fleet.seen(device(id));
      await fleet.seen(commitDevice('dev'));
      await fleet.decide(decision('d1', 'v2'));
      const cost = { plan: 'delta', bytes: 500 };
      await fleet.report('d1', [{ ...event(9, 'healthy'), ...cost, wireBytes: 900 }]);
      await fleet.decide(decision('d2', 'v3', T + 1));
      await fleet.report('d2', [
        { ...event(1, 'applied'), ...cost, wireBytes: 1_000 },
        { ...event(2, 'healthy'), plan: 'full', bytes: 800, wireBytes: 15_000_000_000 },
        event(3, 'booted'),
      ]);
      await fleet.decide(decision('d3', 'v1', T + 2));
      await fleet.report('d3', [event(1, 'downloading')]);
      await fleet.decide(commitDecision('d4', 'c2', T + 3));
      await fleet.report('d4', [{ ...event(1, 'failed'), bytes: 7 }]);
      const facts = { deviceId: 'dev', atMs: T + 2, plan: 'full', bytes: 800 };
      expect(await fleet.lastCosts(['dev', 'other', 'nobody'])).toEqual([
        { ...facts, kind: 'oci', to: named('v3'), type: 'healthy', wireBytes: 15_000_000_000 },
        { deviceId: 'dev', kind: 'ostree', to: sum('c2'), type: 'failed', atMs: T + 1, bytes: 7 },
      ]);
    });

    test('events of a decision that nobody knows are missing', async () => {
      const { fleet } = (await setup()).catalog;
      const report = fleet.report('unknown', [event(1, 'healthy')]);
      await expect(report).rejects.toMatchObject({ code: 'missing' });
    });

    test('healthy moves the device, nothing else does', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('dev', { current: named('v1') }));
      await fleet.decide(decision('d1', 'v2'));
      await fleet.report('d1', [event(1, 'downloading'), event(2, 'applied'), event(3, 'booted')]);
      expect((await fleet.device('dev', 'oci'))?.current).toBe(named('v1'));
      await fleet.report('d1', [event(4, 'healthy')]);
      expect((await fleet.device('dev', 'oci'))?.current).toBe(named('v2'));
    });

    test('a late report of an older decision does not move the device back', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('dev', { current: named('v1') }));
      await fleet.decide(decision('d1', 'v2', T));
      await fleet.decide(decision('d2', 'v3', T + 1));
      await fleet.report('d2', [event(1, 'healthy')]);
      await fleet.report('d1', [event(1, 'healthy')]);
      expect((await fleet.device('dev', 'oci'))?.current).toBe(named('v3'));
    });
  });
}
