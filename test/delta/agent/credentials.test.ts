import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { HttpClient } from '../../../delta/agent/http.ts';

interface Seen {
  readonly url: string;
  readonly token: string | undefined;
  readonly device: string | undefined;
}

/** A server that notes who asks; `target` makes it redirect there. */
async function start(seen: Seen[], target?: () => string): Promise<string> {
  const server: Server = createServer((req, res) => {
    const device = req.headers['rivulet-device'];
    seen.push({
      url: req.url ?? '',
      token: req.headers.authorization,
      device: typeof device === 'string' ? device : undefined,
    });
    if (target === undefined || req.url === '/end') res.end('ok');
    else res.writeHead(307, { location: target() }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a device's token", () => {
  async function get(servers: readonly string[], url: string): Promise<void> {
    const http = new HttpClient({ deviceId: 'dev-1', token: 's3cret', servers }, 5000);
    const { signal } = new AbortController();
    (await http.send({ url, method: 'GET', headers: {}, signal })).discard();
    http.close();
  }

  it('goes to its own servers, whatever the path', async () => {
    const seen: Seen[] = [];
    const own = await start(seen);
    await get(['http://127.0.0.1:1', `${own}/prefix`], `${own}/v1/blobs/x`);
    expect(seen).toMatchObject([{ token: 'Bearer s3cret' }]);
  });

  it('does not go to a host that a plan names, nor to one that a redirect leads to', async () => {
    const foreign: Seen[] = [];
    const mine: Seen[] = [];
    const other = await start(foreign);
    const own = await start(mine, () => `${other}/x`);
    await get([own], `${other}/v1/blobs/x`);
    await get([own], `${own}/v1/blobs/x`);
    expect(mine).toMatchObject([{ token: 'Bearer s3cret' }]);
    expect(foreign.map(({ token }) => token)).toEqual([undefined, undefined]);
  });

  it('is not taken along by a foreign server that redirects to a third', async () => {
    const last: Seen[] = [];
    const third = await start(last);
    const foreign = await start([], () => `${third}/end`);
    await get(['http://127.0.0.1:1'], `${foreign}/x`);
    expect(last.map(({ token }) => token)).toEqual([undefined]);
  });
});
