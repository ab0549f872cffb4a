import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';

import { listen } from '../../../../server/http/http-server.ts';
import { ScanGate } from '../../../../server/ostree/scan-gate.ts';
import { parseRepoName } from '../../../../storage/names.ts';
import { ask, silent, until } from '../tools.ts';

const REPO = parseRepoName('fleet/os');
const OLD = 'libostree/2022.7 curl/7.88';

/** A server whose `/part` passes the gate, and whose `/tree` is held until `release`. */
async function startGate(waitMs: number) {
  let nowMs = 0;
  const gate = new ScanGate({ clock: () => nowMs, waitMs });
  const came: string[] = [];
  const events: string[] = [];
  let release = (): void => undefined;
  const hold = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    logger: silent,
    routes: [
      async (x) => {
        came.push(x.path);
        if (x.path === '/part') await gate.pass(x, REPO);
        else await gate.during(x, REPO, hold);
        events.push(x.path);
        x.res.end();
        return true;
      },
    ],
  });
  onTestFinished(() => server.close(0));
  const get = (path: string, agent = OLD) =>
    ask(server.url + path, { headers: { 'user-agent': agent } });
  const later = (ms: number): void => {
    nowMs += ms;
  };
  return {
    url: server.url,
    get,
    came,
    events,
    release: () => {
      release();
    },
    later,
  };
}

test('the parts of an old client wait until it asks for a directory, and not while that is held', async () => {
  const { get, events, release } = await startGate(60_000);
  const parts = [get('/part'), get('/part')];
  await get('/part', 'libostree/2023.7');
  await get('/part', 'curl/8');
  expect(events).toEqual(['/part', '/part']);
  const tree = get('/tree');
  await Promise.all(parts);
  await get('/part');
  expect(events).toEqual(Array(5).fill('/part'));
  release();
  await tree;
  expect(events.at(-1)).toBe('/tree');
});

test('one that asks for none is waited for a moment, once', async () => {
  const { get, events, later } = await startGate(100);
  const startMs = Date.now();
  await get('/part');
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(90);
  later(1000);
  await get('/part');
  expect(events).toHaveLength(2);
});

test('one that leaves is waited for no longer', async () => {
  const { url, came, events } = await startGate(60_000);
  const part = request(`${url}/part`, { headers: { 'user-agent': OLD } }).end();
  part.on('error', () => undefined);
  await until(() => came.length === 1);
  // A half-closed connection may still wait for its answer.
  part.socket?.resetAndDestroy();
  await until(() => events.length === 1);
});
