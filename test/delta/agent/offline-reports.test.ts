import { beforeAll, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 300_000));
  two = await store.release(sampleTars(2, 300_000));
});

const device = AgentFixture.use(() => store);

it('queues reports while no server takes them, then delivers them in order, once', async () => {
  const { region } = device;
  region.eventsDown = true;
  region.offer = { target: one, plans: [one.full] };
  await device.update();
  region.offer = { target: two, plans: [two.full] };
  await device.update('--health', 'false');
  expect(region.events).toEqual([]);
  region.eventsDown = false;
  await device.command('update');
  await device.command('update');
  expect(region.events.map(({ decision, event }) => `${decision} ${event.type}`)).toEqual([
    'd-1 downloading',
    'd-1 applied',
    'd-1 booted',
    'd-1 healthy',
    'd-2 downloading',
    'd-2 applied',
    'd-2 booted',
    'd-2 rolled_back',
  ]);
  expect(region.events.map(({ event }) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect((await device.command('status')).result).toMatchObject({ queuedReports: 0 });
});
