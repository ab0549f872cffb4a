import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';

import { freePort } from '../../../bench/free-port.ts';
import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import { Contract, loadContract } from '../../../server/http/validate.ts';
import type { DeviceEvent } from '../../../storage/catalog/fleet-catalog.ts';
import { startOriginFixture, type OriginFixture } from '../updates/origin-fixture.ts';
import { named } from '../updates/sample.ts';
import { ask, startTestCache, statusOf, until } from './tools.ts';

const decision = '0123456789abcdef0123456789abcdef';
const WIRE_FIELD = /^ {8}wireBytes:\n(?: {10}.*\n)+/m;

/** A real origin whose contract is that of before devices told what they spent on the wire. */
async function startOlderOrigin(port: number): Promise<OriginFixture> {
  const { text } = await loadContract();
  expect(text).toMatch(WIRE_FIELD);
  const older = text.replace(WIRE_FIELD, '');
  const contract = new Contract(older, parse(older));
  const origin = await startOriginFixture({ contract, port });
  onTestFinished(() => origin.close());
  return origin;
}

const events: readonly DeviceEvent[] = [
  { seq: 1, type: 'downloading', atMs: 5 },
  { seq: 2, type: 'applied', atMs: 6, plan: 'delta', bytes: 500, wireBytes: 900 },
  { seq: 3, type: 'healthy', atMs: 7, plan: 'delta', bytes: 500, wireBytes: 950 },
];
const known = events.map(({ wireBytes: _, ...event }) => event);

async function send(cache: string): Promise<{ readonly status: number; readonly text: string }> {
  const report = {
    decision: { product: 'demo/app', channel: 'stable', platform: 'linux/amd64', to: named('v2') },
    events,
  };
  const answer = await ask(`${cache}/v1/decisions/${decision}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [DEVICE_HEADER]: 'device-1' },
    body: JSON.stringify(report),
  });
  return { status: answer.status, text: answer.body.toString() };
}

describe('reports to an origin that refuses fields it does not know', () => {
  test('reach it without them, when they were queued', async () => {
    const port = await freePort();
    const cache = await startTestCache(`http://127.0.0.1:${port}`);
    expect((await send(cache.url)).status).toBe(202);
    const origin = await startOlderOrigin(port);
    await until(async () => (await statusOf(cache.url))['queuedReports'] === 0);
    expect(await origin.store.catalog.fleet.events(decision)).toEqual(known);
    expect((await statusOf(cache.url))['droppedReports']).toBe(0);
  });

  test('reach it without them, when they are passed on at once', async () => {
    const origin = await startOlderOrigin(0);
    const cache = await startTestCache(origin.server.url);
    const { status, text } = await send(cache.url);
    expect([status, JSON.parse(text)]).toEqual([200, { recorded: 3 }]);
    expect(await origin.store.catalog.fleet.events(decision)).toEqual(known);
  });

  test('are kept whole for one that knows them', async () => {
    const origin = await startOriginFixture();
    onTestFinished(() => origin.close());
    const cache = await startTestCache(origin.server.url);
    expect((await send(cache.url)).status).toBe(200);
    expect(await origin.store.catalog.fleet.events(decision)).toEqual(events);
  });
});
