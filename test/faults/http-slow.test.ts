import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import type { HttpServer } from '../../server/http/http-server.ts';
import { serve } from '../server/http/rig.ts';
import { RawConnection } from './raw-connection.ts';

const HEADERS_MS = 300;
const REQUEST = 'GET /v1/blobs/hot HTTP/1.1\r\nHost: h\r\n\r\n';

let server: HttpServer | undefined;
afterEach(() => server?.close(0));

/** A server that gives heads a short time, with everything hot or with nothing. */
async function start(hot: boolean): Promise<RawConnection> {
  server = await serve({
    headersMs: HEADERS_MS,
    routes: [
      (x) => {
        x.res.end('cold');
        return Promise.resolve(true);
      },
    ],
    hot: {
      epoch: () => (hot ? 1 : undefined),
      load: () =>
        Promise.resolve({
          route: 'hot',
          headers: {},
          mediaType: 'text/plain',
          size: 3,
          content: { bytes: Buffer.from('hot') },
        }),
    },
  });
  return RawConnection.open(server.url);
}

/** Sends a head byte by byte, never to its end; resolves when the other side has ended it. */
async function drip(client: RawConnection): Promise<void> {
  client.send('GET / HTTP/1.1\r\nX: ');
  while (!client.socket.readableEnded && !client.socket.destroyed) {
    client.send('a');
    await sleep(20);
  }
}

describe.each([
  ['a hot path', true],
  ['nothing hot', false],
])('a head that comes byte by byte, before %s', (_name, hot) => {
  it('is cut, with an answer that says why', async () => {
    const client = await start(hot);
    const dripping = drip(client);
    const answer = await client.answer();
    expect([answer?.status, answer?.headers['connection']]).toEqual([408, 'close']);
    expect(answer?.body.toString()).toContain('"code":"request_timeout"');
    await dripping;
    client.close();
  });

  it('is cut behind requests that were answered', async () => {
    const client = await start(hot);
    for (let n = 0; n < 3; n += 1) {
      client.send(REQUEST);
      expect((await client.answer())?.body.toString()).toBe(hot ? 'hot' : 'cold');
    }
    const dripping = drip(client);
    expect((await client.answer())?.status).toBe(408);
    await dripping;
    client.close();
  });

  it('holds up nobody else', async () => {
    const client = await start(hot);
    const drips = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const slow = await RawConnection.open(server?.url ?? '');
        slow.send('GET /v1/blobs/hot HT');
        return slow;
      }),
    );
    client.send(REQUEST);
    expect((await client.answer())?.status).toBe(200);
    client.close();
    for (const slow of drips) {
      expect((await slow.answer())?.status).toBe(408);
      slow.close();
    }
  });
});
