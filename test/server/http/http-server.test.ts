import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';

import { createBlobRoute } from '../../../server/blobs.ts';
import { HttpError } from '../../../server/http/errors.ts';
import type { Exchange, RawRoute } from '../../../server/http/exchange.ts';
import { listen, type HttpServer } from '../../../server/http/http-server.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { openStore, rawRequest, serve } from './rig.ts';

const servers: HttpServer[] = [];

async function start(options: Parameters<typeof serve>[0]): Promise<HttpServer> {
  const server = await serve(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

const answer =
  (text: (x: Exchange) => string): RawRoute =>
  (x) => {
    x.res.end(text(x));
    return Promise.resolve(true);
  };

function socketTo(server: HttpServer): Socket {
  const { hostname, port } = new URL(server.url);
  return connect(Number(port), hostname);
}

describe('dispatch', () => {
  it('asks raw routes in order, then express, then answers 404 itself', async () => {
    const app = express();
    app.get('/app', (_req, res) => {
      res.send('app');
    });
    app.get('/broken', () => {
      throw new Error('secret inside');
    });
    const server = await start({
      routes: [
        (x) => (x.path === '/raw' ? answer(() => 'raw')(x) : Promise.resolve(false)),
        (x) => (x.path === '/raw2' ? answer(() => 'raw2')(x) : Promise.resolve(false)),
      ],
      app,
    });
    for (const [path, text] of [
      ['/raw', 'raw'],
      ['/raw2', 'raw2'],
      ['/app', 'app'],
    ]) {
      expect(await (await fetch(server.url + String(path))).text()).toBe(text);
    }
    const missing = await fetch(`${server.url}/nothing`);
    expect(await missing.json()).toMatchObject({ status: 404, code: 'not_found' });
    const broken = await fetch(`${server.url}/broken`);
    const text = await broken.text();
    expect(broken.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({
      code: 'internal',
      requestId: broken.headers.get('x-request-id'),
    });
    expect(text).not.toContain('secret');
  });

  it('gives every answer a request id, and keeps a sane one that came in', async () => {
    const server = await start({ routes: [answer((x) => x.id)] });
    for (const [sent, kept] of [
      ['abcdef-123456', true],
      ['short', false],
      ['x'.repeat(65), false],
      ['with spaces and <>', false],
    ] as const) {
      const response = await fetch(server.url, { headers: { 'x-request-id': sent } });
      const id = response.headers.get('x-request-id');
      expect(await response.text()).toBe(id);
      expect([sent, id === sent]).toEqual([sent, kept]);
      expect(id).toMatch(/^[\w.-]{8,64}$/);
    }
  });

  it('turns what a route throws into a problem', async () => {
    const server = await start({
      routes: [
        () => {
          throw new HttpError('unavailable', 'the disk at /srv is gone');
        },
      ],
    });
    const response = await fetch(server.url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await response.text()).not.toContain('/srv');
  });
});

describe('targets', () => {
  const show = answer((x) => `${x.path}|${x.query.toString()}|${x.req.url ?? ''}`);
  const ask = async (target: string): Promise<string> => {
    const server = await start({ routes: [show] });
    return rawRequest(server.url, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  };

  it.each([
    ['/a%3Ab?q=1%202', '/a:b|q=1+2|'],
    ['/?x', '/|x=|'],
    ['http://elsewhere:80/v2/?n=1', '/v2/|n=1|/v2/?n=1'],
    ['/a?b?c=d', '/a|b%3Fc=d|'],
  ])('reads %s', async (target, expected) => {
    expect(await ask(target)).toContain(expected);
  });

  it.each(['/%', '/%zz', '/%ff', 'ftp://x/y'])('refuses %s', async (target) => {
    const text = await ask(target);
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toMatch(/x-request-id: /i);
    expect(text).toContain('"code":"bad_request"');
  });

  it('answers what is not HTTP, and headers past 64 KiB', async () => {
    const server = await start({ routes: [show] });
    const garbage = await rawRequest(server.url, 'NONSENSE\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1.1 400 /);
    expect(garbage).toMatch(/x-request-id: /i);
    const header = (size: number): string =>
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: ${'1'.repeat(size)}\r\n\r\n`;
    expect(await rawRequest(server.url, header(60_000))).toMatch(/^HTTP\/1.1 200 /);
    expect(await rawRequest(server.url, header(70_000))).toMatch(/^HTTP\/1.1 431 /);
  });
});

describe('bodies', () => {
  it('answers Expect: 100-continue at once', async () => {
    const server = await start({
      routes: [
        async (x) => {
          const hash = createHash('sha256');
          for await (const part of x.req) hash.update(part as Buffer);
          x.res.end(hash.digest('hex'));
          return true;
        },
      ],
    });
    const socket = socketTo(server);
    socket.write(
      'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n',
    );
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1.1 100 /);
    socket.write('hello');
    const [second] = (await once(socket, 'data')) as [Buffer];
    expect(second.toString()).toContain(createHash('sha256').update('hello').digest('hex'));
  });

  it('lets a client read its refusal that writes everything first', async () => {
    const server = await start({
      routes: [
        async (x) => {
          // Some of the body was read already: Node would leave the rest in the socket.
          await x.req.iterator({ destroyOnReturn: false }).next();
          throw new HttpError('too_large', 'no more than this');
        },
      ],
    });
    const body = Buffer.alloc(8 * 1024 * 1024);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const req = request(server.url, { method: 'PUT', agent: false });
      let answered: number | undefined;
      req.on('response', (res) => {
        answered = res.statusCode;
        res.resume();
      });
      req.on('error', reject);
      req.on('close', () => {
        resolve(answered);
      });
      req.end(body);
    });
    expect(status).toBe(413);
  });

  it('gives up on a body without end, long after its answer', async () => {
    const server = await start({
      routes: [
        () => {
          throw new HttpError('too_large', 'no more than this');
        },
      ],
    });
    const socket = socketTo(server);
    const piece = Buffer.alloc(1024 * 1024);
    let sent = 0;
    socket.on('error', () => undefined);
    socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n');
    const pump = (): void => {
      while (!socket.destroyed && socket.write(piece)) sent += piece.length;
      sent += piece.length;
    };
    socket.on('drain', pump);
    pump();
    await new Promise((resolve) => socket.on('close', resolve));
    expect(sent).toBeGreaterThan(60 * 1024 * 1024);
  });
});

describe('a client that leaves', () => {
  // Only Linux tells which files a process has open.
  it.skipIf(process.platform !== 'linux')('fires the signal and closes its file', async () => {
    const store = await openStore('fs');
    const { digest } = await store.blobs.putBytes(seededBytes('left', 32 * 1024 * 1024));
    const path = store.blobs.filePath(digest) ?? '';
    let left: Promise<unknown> | undefined;
    const server = await start({
      routes: [
        (x) => {
          left = once(x.signal, 'abort');
          return Promise.resolve(false);
        },
        createBlobRoute({ blobs: store.blobs }),
      ],
    });
    const socket = socketTo(server);
    socket.write(`GET /v1/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'data');
    expect(await openCount(path)).toBe(1);
    socket.destroy();
    await left;
    while ((await openCount(path)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await store.remove();
  });

  it('costs a slow reader no more than a buffer', async () => {
    const store = await openStore('fs');
    const { digest } = await store.blobs.putBytes(seededBytes('slow', 64 * 1024 * 1024));
    const server = await start({ routes: [createBlobRoute({ blobs: store.blobs })] });
    const before = process.memoryUsage.rss();
    const sockets = Array.from({ length: 8 }, () => {
      const socket = socketTo(server).pause();
      socket.write(`GET /v1/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024);
    for (const socket of sockets) socket.destroy();
    await store.remove();
  });
});

/** How many descriptors of this process are of the file. */
async function openCount(path: string): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((link) => link === path).length;
}

describe('close', () => {
  it('lets running requests end and takes no more', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = (): void => undefined;
    const running = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const server = await start({
      routes: [
        async (x) => {
          entered();
          await held;
          x.res.end('done');
          return true;
        },
      ],
    });
    const response = fetch(server.url);
    await running;
    const closed = server.close(60_000);
    await expect(fetch(server.url)).rejects.toThrow();
    release();
    expect(await (await response).text()).toBe('done');
    await closed;
  });

  it('cuts what does not end in time', async () => {
    let entered = (): void => undefined;
    const running = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const server = await start({
      routes: [
        () => {
          entered();
          return new Promise(() => undefined);
        },
      ],
    });
    const response = fetch(server.url).then(
      () => 'answered',
      () => 'cut',
    );
    await running;
    await server.close(10);
    expect(await response).toBe('cut');
  });

  it('rejects an address that is taken', async () => {
    const server = await start({ routes: [] });
    const port = Number(new URL(server.url).port);
    await expect(
      listen({ routes: [], host: '127.0.0.1', port, logger: createLogger('silent') }),
    ).rejects.toMatchObject({ code: 'listen' });
  });
});
