import { describe, expect, test } from 'vitest';

import type { DeviceEvent, DeviceRow } from '../../../storage/catalog/fleet-catalog.ts';
import { parseTag } from '../../../storage/names.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { named, REPO, STABLE } from './names.ts';

const T = 1_700_000_000_000;

function device(id: string, facts: Partial<DeviceRow> = {}): DeviceRow {
  return {
    id,
    product: REPO,
    channel: STABLE,
    platform: 'linux/arm64',
    region: 'north',
    seenMs: T,
    ...facts,
  };
}

function decision(id: string, to: string, createdMs = T) {
  return { id, deviceId: 'dev', product: REPO, from: named('v1'), to: named(to), createdMs };
}

function event(seq: number, type: DeviceEvent['type']): DeviceEvent {
  return { seq, type, atMs: T + seq };
}

export function fleetSuite(setup: CatalogUnderTest): void {
  describe('fleet: devices', () => {
    test('a sighting is kept, a newer one replaces it', async () => {
      const { fleet } = (await setup()).catalog;
      expect(await fleet.device('dev')).toBeUndefined();
      await fleet.seen(device('dev'));
      expect(await fleet.device('dev')).toEqual(device('dev'));
      const moved = device('dev', {
        channel: parseTag('beta'),
        platform: 'linux/amd64',
        region: 'south',
        current: named('v1'),
        seenMs: T + 1,
      });
      await fleet.seen(moved);
      expect(await fleet.device('dev')).toEqual(moved);
    });

    test('neither a late nor a vague sighting loses what is known', async () => {
      const { fleet } = (await setup()).catalog;
      const known = device('dev', { current: named('v2'), seenMs: T + 10 });
      await fleet.seen(known);
      await fleet.seen(device('dev', { current: named('v1'), region: 'old', seenMs: T }));
      expect(await fleet.device('dev')).toEqual(known);
      await fleet.seen(device('dev', { region: '', seenMs: T + 20 }));
      expect(await fleet.device('dev')).toEqual({ ...known, seenMs: T + 20 });
    });

    test('devices are counted by what they run and where', async () => {
      const { fleet } = (await setup()).catalog;
      expect(await fleet.counts()).toEqual([]);
      const current = named('v1');
      for (const id of ['a', 'b']) await fleet.seen(device(id, { current }));
      await fleet.seen(device('c', { current, region: 'south' }));
      await fleet.seen(device('d'));
      const place = { product: REPO, platform: 'linux/arm64', region: 'north' };
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
        (await fleet.devices({ limit, last })).map((row) => row.id);
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
      expect(await fleet.live(T)).toEqual([
        { product: REPO, channel: STABLE, platform: 'linux/amd64', current: named('v1') },
        { product: REPO, channel: STABLE, platform: 'linux/arm64', current: named('v1') },
      ]);
    });
  });

  describe('fleet: decisions and events', () => {
    test('a decision is recorded once', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.decide(decision('d1', 'v2'));
      await fleet.decide(decision('d1', 'v3', T + 1));
      expect(await fleet.decision('d1')).toEqual(decision('d1', 'v2'));
      const { id, deviceId, product, to, createdMs } = decision('d2', 'v2');
      const first = { id, deviceId, product, to, createdMs };
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
      expect((await fleet.device('dev'))?.current).toBe(named('v1'));
      await fleet.report('d1', [event(4, 'healthy')]);
      expect((await fleet.device('dev'))?.current).toBe(named('v2'));
    });

    test('a late report of an older decision does not move the device back', async () => {
      const { fleet } = (await setup()).catalog;
      await fleet.seen(device('dev', { current: named('v1') }));
      await fleet.decide(decision('d1', 'v2', T));
      await fleet.decide(decision('d2', 'v3', T + 1));
      await fleet.report('d2', [event(1, 'healthy')]);
      await fleet.report('d1', [event(1, 'healthy')]);
      expect((await fleet.device('dev'))?.current).toBe(named('v3'));
    });
  });
}
