import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let portal: Server;
let portalUrl: string;
/** How the portal answers. */
let status: number;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 100_000));
});

beforeEach(async () => {
  status = 200;
  portal = createServer((_req, res) => {
    res
      .writeHead(status, { 'content-type': 'text/html', location: 'http://portal.example/login' })
      .end('<!doctype html><title>Log in</title>');
  });
  portal.listen(0, '127.0.0.1');
  await once(portal, 'listening');
  portalUrl = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`;
});

afterEach(() => {
  portal.closeAllConnections();
  portal.close();
});

const device = AgentFixture.use(() => store);

it.each([200, 302, 511])('a page under %i before one server: the next is asked', async (code) => {
  status = code;
  device.region.offer = { target: one, plans: [one.full] };
  const servers = ['--server', portalUrl, '--server', device.region.url];
  const about = ['--product', 'demo/app', '--platform', 'linux/amd64'];
  const { result } = await device.command('update', ...servers, ...about);
  expect(result).toMatchObject({ outcome: 'updated', to: one.manifest.digest });
  expect(device.region.eventTypes()).toContain('healthy full');
});

it('a page before every server: says so, and keeps its reports', async () => {
  device.region.eventsDown = true;
  await device.install(one);
  const queued = (await device.command('status')).result['queuedReports'];
  expect(queued).toBeGreaterThan(0);
  const { code, result, stderr } = await device.command('update', '--server', portalUrl);
  expect({ code, result }).toMatchObject({
    code: 1,
    result: { outcome: 'failed', reason: 'captive_portal' },
  });
  expect(stderr).toContain('log this network in');
  expect((await device.command('status')).result).toMatchObject({ queuedReports: queued });
});
