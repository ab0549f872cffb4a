import { beforeAll, describe, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 300_000));
});

const device = AgentFixture.use(() => store);

describe('reports and checks', () => {
  it('tell what the release has cost on the wire so far, as it was counted there', async () => {
    const { region } = device;
    region.offer = { target: one, plans: [one.full] };
    const { result } = await device.update();
    const costs = region.events.map(({ event }) => [event.type, event.bytes, event.wireBytes]);
    const { bytes, wireBytes } = result;
    expect(costs).toEqual([
      ['downloading', undefined, undefined],
      ['applied', bytes, wireBytes],
      ['booted', undefined, undefined],
      ['healthy', bytes, wireBytes],
    ]);
    expect(wireBytes).toBeGreaterThan(Number(bytes));
    expect(wireBytes).toBeLessThan(region.wireBytes);
  });

  it('reach a server that refuses fields it does not know, without them', async () => {
    const { region } = device;
    region.isOld = true;
    region.offer = { target: one, plans: [one.full] };
    const { result, stderr } = await device.update();
    expect({ outcome: result['outcome'], stderr }).toEqual({ outcome: 'updated', stderr: '' });
    expect(region.checks.map(({ accept }) => accept)).toEqual([
      undefined,
      ['delta', 'chunks', 'full'],
    ]);
    const types = region.events.map(({ event }) => event.type);
    expect(types).toEqual(['downloading', 'applied', 'booted', 'healthy']);
    expect(region.events.map(({ event }) => event.wireBytes)).toEqual(types.map(() => undefined));
    expect(region.events.at(-1)?.event.bytes).toBe(result['bytes']);
    expect((await device.command('status')).result).toMatchObject({ queuedReports: 0 });
  });
});
