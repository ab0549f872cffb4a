import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';

import { Collector } from '../../server/collector.ts';
import { loadServerConfig } from '../../server/config-load.ts';
import { createLogger } from '../../server/observe/logger.ts';
import { startOrigin } from '../../server/origin.ts';
import { openStore } from '../../server/open-store.ts';
import { digestOf } from '../../storage/digest.ts';
import { StoreWorld } from '../storage/store-world.ts';
import { tempFolder } from './cache/tools.ts';

const DAY_MS = 24 * 3_600_000;
const YEAR_MS = 365 * DAY_MS;
const SETTINGS = { matrix: { releases: 1, liveMs: 1000, builders: 0 }, logLevel: 'silent' };

const load = (gc: object, more: object = {}) =>
  loadServerConfig({ flags: { ...SETTINGS, ...more, gc }, env: {} });

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(5);
}

/** A collector, and how often it has collected. */
async function start(store: StoreWorld, everyMs: number) {
  const logger = createLogger('silent');
  const info = vi.spyOn(logger, 'info');
  const config = await load({ everyMs });
  const collector = new Collector({ config, store, logger, clock: Date.now });
  onTestFinished(() => collector.close());
  return { collector, runs: () => info.mock.calls.length };
}

test('what nothing reaches goes by itself, once it is older than the grace period', async () => {
  const store = await StoreWorld.open('memory');
  await store.pushImage('image', ['layer']);
  await store.put('garbage');
  await store.age();
  await store.put('young');
  const { runs } = await start(store, 10);
  await until(() => runs() > 1);
  expect(await store.stored(['image', 'layer', 'garbage', 'young'])).toEqual([
    'image',
    'layer',
    'young',
  ]);
});

test('of several over one catalog one collects; when it stops in the middle the next does', async () => {
  const store = await StoreWorld.open('memory');
  const { gc } = store.catalog;
  const asked = vi.spyOn(gc, 'beginRun');
  let go = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  // The first stands in the middle of its run.
  const prune = vi.spyOn(gc, 'prune').mockImplementationOnce(async () => {
    await held;
    return { links: 1, layers: 0, packs: 0, deltas: 0, ostreeDeltas: 0 };
  });
  const first = await start(store, 3_600_000);
  await until(() => prune.mock.calls.length === 1);
  const second = await start(store, 3_600_000);
  await until(() => asked.mock.calls.length === 2);
  await Promise.all(asked.mock.results.map(({ value }) => value as Promise<unknown>));
  const closed = first.collector.close();
  go();
  await closed;
  expect([first.runs(), second.runs()]).toEqual([0, 0]);
  const third = await start(store, 3_600_000);
  await until(() => third.runs() === 1);
  const fourth = await start(store, 3_600_000);
  await until(() => asked.mock.calls.length === 4);
  await fourth.collector.close();
  expect(fourth.runs()).toBe(0);
});

test('a run that fails is told, and tried again at the next turn', async () => {
  const store = await StoreWorld.open('memory');
  const logger = createLogger('silent');
  const [info, error] = [vi.spyOn(logger, 'info'), vi.spyOn(logger, 'error')];
  vi.spyOn(store.catalog.gc, 'prune').mockRejectedValueOnce(new Error('no database'));
  const config = await load({ everyMs: 10 });
  const collector = new Collector({ config, store, logger, clock: Date.now });
  onTestFinished(() => collector.close());
  await until(() => info.mock.calls.length > 0);
  expect(error).toHaveBeenCalledTimes(1);
});

test('an origin collects by itself where the settings say so', async () => {
  const data = await tempFolder();
  const config = await load({ everyMs: 10, graceMs: 60_000 }, { data, listen: '127.0.0.1:0' });
  // What an earlier run, an hour ago, has left.
  const clock = (): number => Date.now() - 3_600_000;
  const before = await openStore(config, clock);
  const digest = digestOf(Buffer.from('layer'));
  await before.catalog.layers.ensure(digest, 'tar');
  await before.close();
  const origin = await startOrigin(config);
  const store = await openStore(config);
  try {
    await until(async () => (await store.catalog.layers.get(digest)) === undefined);
  } finally {
    await store.close();
    await origin.close();
  }
});

test('a clock that jumped ten years ahead is believed once a day has really passed', async () => {
  const store = await StoreWorld.open('memory');
  await store.age();
  await store.pushImage('image', ['layer']);
  await store.pushBlob('pushed a minute ago');
  const logger = createLogger('silent');
  const [info, warn] = [vi.spyOn(logger, 'info'), vi.spyOn(logger, 'warn')];
  const config = await load({ everyMs: 10 });
  let [jumpedMs, passedMs] = [0, 0];
  const collector = new Collector({
    ...{ config, store, logger },
    clock: () => Date.now() + jumpedMs + passedMs,
    uptime: () => performance.now() + passedMs,
  });
  onTestFinished(() => collector.close());
  jumpedMs = 10 * YEAR_MS;
  await until(() => warn.mock.calls.length > 2);
  expect(info).not.toHaveBeenCalled();
  passedMs = DAY_MS;
  await until(() => info.mock.calls.length > 0);
  const left = await store.stored(['image', 'layer', 'pushed a minute ago']);
  expect(left).toEqual(['image', 'layer']);
});

test('a start long after the last run waits for a grace period first', async () => {
  const store = await StoreWorld.open('memory');
  const { gc } = store.catalog;
  const lease = await gc.beginRun('before', { everyMs: 10, leaseMs: 1000 });
  if (lease === undefined) throw new Error('nobody has it');
  await gc.endRun(lease, true);
  await store.pushBlob('pushed a minute ago');
  const logger = createLogger('silent');
  const [info, warn] = [vi.spyOn(logger, 'info'), vi.spyOn(logger, 'warn')];
  const config = await load({ everyMs: 10 });
  const clock = (): number => Date.now() + 10 * YEAR_MS;
  const collector = new Collector({ config, store, logger, clock });
  onTestFinished(() => collector.close());
  await until(() => warn.mock.calls.length > 2);
  expect(info).not.toHaveBeenCalled();
  expect(await store.stored(['pushed a minute ago'])).toEqual(['pushed a minute ago']);
});

test('and never by default', async () => {
  const store = await StoreWorld.open('memory');
  const config = await load({});
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const logger = createLogger('silent');
  const collector = new Collector({ config, store, logger, clock: Date.now });
  expect(vi.getTimerCount()).toBe(0);
  await collector.close();
});

test('a grace period that a running push could outlast is refused', async () => {
  await expect(load({ everyMs: 1000, graceMs: 59_999 })).rejects.toMatchObject({ code: 'config' });
});
