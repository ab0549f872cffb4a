import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { ask, startTestCache, until } from './tools.ts';

const UPLOADS = '/v2/demo/app/blobs/uploads/';

interface Origin {
  readonly url: string;
  readonly seen: IncomingMessage[];
}

async function startOrigin(
  answer: (req: IncomingMessage, res: ServerResponse, url: string) => void,
): Promise<Origin> {
  const seen: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    if (req.url === '/v1/releases') {
      res.writeHead(404).end();
      return;
    }
    seen.push(req);
    answer(req, res, url);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, seen };
}

const forward = { pushes: 'forward', upstreamToken: 'of-the-cache' } as const;

describe('pushes that are forwarded', () => {
  it('stream, and end at the origin when the client leaves', async () => {
    let received = 0;
    let ended = '';
    const origin = await startOrigin((req) => {
      req.on('data', (part: Buffer) => (received += part.length));
      req.on('end', () => (ended = 'whole'));
      req.on('error', () => (ended = 'broken'));
    });
    const { url } = await startTestCache(origin.url, forward);
    const client = request(`${url}${UPLOADS}1`, { method: 'PATCH' });
    client.on('error', () => undefined);
    client.write(Buffer.alloc(300_000));
    await until(() => received === 300_000);
    client.write(Buffer.alloc(100_000));
    await until(() => received === 400_000);
    client.destroy();
    await until(() => ended === 'broken');
  });

  it('carry the client’s credentials, not the cache’s; places and logins lead back here', async () => {
    const origin = await startOrigin((req, res, own) => {
      req.resume();
      if (req.headers.authorization === undefined) {
        const challenge = `Bearer realm="${own}/v1/token",service="x"`;
        res.writeHead(401, { 'WWW-Authenticate': challenge }).end();
      } else if (req.url?.startsWith('/v1/token') === true) res.writeHead(200).end('{"token":"t"}');
      else {
        const location =
          req.url?.includes('elsewhere') === true
            ? 'http://s3.example/x?a=b'
            : `${own}${UPLOADS}7?state=a%2Fb`;
        res.writeHead(202, { Location: location, Connection: 'X-Own', 'X-Own': '1' }).end();
      }
    });
    const { url } = await startTestCache(origin.url, forward);
    for (const [path, method] of [
      ['/v2/', 'GET'],
      [UPLOADS, 'POST'],
    ] as const) {
      const refused = await ask(url + path, { method });
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([
        401,
        `Bearer realm="${url}/v1/token",service="x"`,
      ]);
    }
    const headers = { authorization: 'Bearer of-the-client' };
    const host = new URL(origin.url).host;
    const begun = await ask(`${url}${UPLOADS}?mount=sha256:ab&ns=${host}`, {
      method: 'POST',
      headers,
    });
    expect([begun.status, begun.headers.location]).toEqual([202, `${UPLOADS}7?state=a%2Fb`]);
    expect(begun.headers['x-own']).toBeUndefined();
    const elsewhere = await ask(`${url}${UPLOADS}?elsewhere`, { method: 'POST', headers });
    expect(elsewhere.headers.location).toBe('http://s3.example/x?a=b');
    const token = await ask(`${url}/v1/token?service=x`, {
      headers: { authorization: 'Basic eA==' },
    });
    expect(token.body.toString()).toBe('{"token":"t"}');
    const shown = origin.seen.map((req) => req.headers.authorization);
    expect(shown).toEqual([
      undefined,
      undefined,
      headers.authorization,
      headers.authorization,
      'Basic eA==',
    ]);
    expect(origin.seen[2]?.url).toBe(`${UPLOADS}?mount=sha256%3Aab`);
  });

  it('are 503 without the origin, and refused for other registries', async () => {
    const registries = { 'docker.io': { url: 'http://127.0.0.1:1' } };
    const { url } = await startTestCache('http://127.0.0.1:1', { ...forward, registries });
    const push = await ask(url + UPLOADS, { method: 'POST', body: 'x' });
    expect([push.status, push.body.toString()]).toEqual([
      503,
      expect.stringContaining('UNAVAILABLE'),
    ]);
    expect((await ask(`${url}/v2/`)).status).toBe(200);
    const other = await ask(`${url}${UPLOADS}?ns=docker.io`, { method: 'POST' });
    expect([other.status, other.body.toString()]).toEqual([
      405,
      expect.stringContaining('127.0.0.1:1'),
    ]);
  });
});
