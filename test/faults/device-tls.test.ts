import { once } from 'node:events';
import { readdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { runAgent } from '../delta/agent/agent-process.ts';
import { Authority } from '../server/tls/authority.ts';

let dir: string;
let authority: Authority;
let server: Server;
let asked = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-device-tls-'));
  authority = new Authority(dir, 'authority');
  const { cert, key } = authority.leaf('elsewhere', { san: 'DNS:elsewhere.example' });
  server = createServer({ cert, key }, (_req, res) => {
    asked += 1;
    res.writeHead(204, { 'rivulet-reason': 'up_to_date' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(async () => {
  server.close();
  await rm(dir, { recursive: true, force: true });
});

it('a certificate for another host: says so, tells the server nothing, stores nothing of it', async () => {
  const data = join(dir, 'data');
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const { code, stderr, result } = await runAgent(
    ['update', '--json', '--data', data, '--server', url, '--product', 'demo/app'],
    { NODE_EXTRA_CA_CERTS: authority.certFile },
  );
  expect({ code, result }).toMatchObject({
    code: 1,
    result: { outcome: 'failed', reason: 'unreachable' },
  });
  expect(stderr).toContain('localhost');
  expect(stderr).toMatch(/certificate/i);
  expect(asked).toBe(0);
  expect(await readdir(data)).not.toContain('current');
  expect(await readdir(join(data, 'fetch'))).toEqual([]);
});
