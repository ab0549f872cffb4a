import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { needTool } from '../../clients/require.ts';
import { Authority, type Pair } from '../../server/tls/authority.ts';
import { runAgent } from './agent-process.ts';

const openssl = needTool('openssl');

describe.skipIf(openssl === undefined)('TLS sessions', () => {
  let dir: string;
  let authority: Authority;
  let pair: Pair;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-tls-sessions-'));
    authority = new Authority(dir, 'authority');
    pair = authority.server();
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  async function start(port: number, maxVersion: SecureVersion): Promise<Server> {
    const { cert, key } = pair;
    const server = createServer({ cert, key, maxVersion }, (_req, res) => {
      res.writeHead(204, { 'rivulet-reason': 'up_to_date' }).end();
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  it('a server that goes back to TLS 1.2 is reached again by the second run', async () => {
    const ask = async (port: number) => {
      const server = `https://localhost:${port}`;
      const args = ['update', '--json', '--data', join(dir, 'data'), '--server', server];
      const env = { NODE_EXTRA_CA_CERTS: authority.certFile };
      return (await runAgent([...args, '--product', 'demo/app'], env)).result;
    };
    const modern = await start(0, 'TLSv1.3');
    const { port } = modern.address() as AddressInfo;
    expect(await ask(port)).toMatchObject({ outcome: 'up_to_date' });
    expect(await ask(port)).toMatchObject({ outcome: 'up_to_date' });
    modern.close();
    await once(modern, 'close');
    const older = await start(port, 'TLSv1.2');
    expect(await ask(port)).toMatchObject({ outcome: 'failed', reason: 'unreachable' });
    expect(await ask(port)).toMatchObject({ outcome: 'up_to_date' });
    expect(await ask(port)).toMatchObject({ outcome: 'up_to_date' });
    older.close();
  });
});
