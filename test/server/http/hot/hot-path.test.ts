import { writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createHotBlobs } from '../../../../server/hot-blobs.ts';
import { createBlobRoute } from '../../../../server/blobs.ts';
import type { HttpServer } from '../../../../server/http/http-server.ts';
import { createRegistry } from '../../../../server/oci/registry.ts';
import { createLogger } from '../../../../server/observe/logger.ts';
import { createMetrics, type Metrics } from '../../../../server/observe/metrics.ts';
import type { Catalog } from '../../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/sqlite.ts';
import { digestOf, type Digest } from '../../../../storage/digest.ts';
import { parseRepoName } from '../../../../storage/names.ts';
import { UploadService } from '../../../../storage/upload/service.ts';
import { openStore, serve, type OpenedStore } from '../rig.ts';

const REPO = parseRepoName('edge/app');
const SMALL = Buffer.alloc(4096, 'small ');
const LARGE = Buffer.alloc(3_000_000, 'large ');

/** The ids that the hot path gives; `node:http` gives UUIDs. */
const HOT_ID = /^[0-9a-f]{16}-[0-9a-f]{12}$/;

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

describe('hot path', () => {
  let store: OpenedStore;
  let catalog: Catalog;
  let metrics: Metrics;
  let server: HttpServer;
  let agent: Agent;
  let small: Digest;
  let large: Digest;

  beforeEach(async () => {
    store = await openStore('fs');
    catalog = await openSqliteCatalog(`${store.root}/catalog.sqlite`, Date.now);
    metrics = createMetrics();
    const { blobs } = store;
    const logger = createLogger('silent');
    const uploads = new UploadService({ objects: blobs.objects, catalog, clock: Date.now });
    const registry = createRegistry({ blobs, catalog, uploads, clock: Date.now, logger });
    const hot = createHotBlobs({ blobs, catalog });
    server = await serve({ routes: [createBlobRoute({ blobs }), registry], hot, metrics });
    agent = new Agent({ keepAlive: true, maxSockets: 1 });
    small = (await blobs.putBytes(SMALL)).digest;
    large = (await blobs.putBytes(LARGE)).digest;
    await catalog.repositories.linkBlob(REPO, small, SMALL.length);
    await catalog.repositories.linkBlob(REPO, large, LARGE.length);
  });
  afterEach(async () => {
    agent.destroy();
    await server.close(0);
    await catalog.close();
    await store.remove();
  });

  function ask(path: string, headers: Record<string, string> = {}, over = agent): Promise<Answer> {
    return new Promise((resolve, reject) => {
      get(server.url + path, { agent: over, headers }, (res) => {
        const parts: Buffer[] = [];
        res.on('data', (part: Buffer) => parts.push(part));
        res.once('error', reject);
        res.once('end', () => {
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            body: Buffer.concat(parts),
          });
        });
      }).once('error', reject);
    });
  }

  it.each([
    ['/v1', '/v1/blobs/{digest}'],
    ['/v2/edge/app', '/v2/{name}/blobs/{digest}'],
  ])('answers below %s as node:http does, and counts it', async (base, route) => {
    const path = `${base}/blobs/${small}`;
    const hot = await ask(path);
    const again = await ask(path);
    // A request with an id of its own is not plain.
    const other = new Agent({ keepAlive: true });
    const cold = await ask(path, { 'x-request-id': 'from-a-proxy' }, other);
    other.destroy();
    expect(hot.body.equals(SMALL) && again.body.equals(SMALL) && cold.body.equals(SMALL)).toBe(
      true,
    );
    expect(hot.headers['x-request-id']).toMatch(HOT_ID);
    expect(again.headers['x-request-id']).not.toBe(hot.headers['x-request-id']);
    expect(cold.headers['x-request-id']).toBe('from-a-proxy');
    const rest = ({ headers }: Answer) => ({ ...headers, 'x-request-id': '', date: '' });
    expect(rest(hot)).toEqual(rest(cold));
    expect(Object.keys(hot.headers)).toEqual(Object.keys(cold.headers));
    await sleep(1);
    const { values } = await metrics.httpRequests.get();
    expect(values).toContainEqual(
      expect.objectContaining({ value: 3, labels: { route, status: 200 } }),
    );
    const served = await metrics.bytesServed.get();
    expect(served.values[0]?.value).toBe(3 * SMALL.length);
  });

  it('answers everything on one connection, whatever is asked between', async () => {
    const path = `/v1/blobs/${small}`;
    for (const [asked, status, body] of [
      [path, 200, SMALL],
      [path, 200, SMALL],
      [`/v1/blobs/${large}`, 200, LARGE],
      [path, 200, SMALL],
      ['/v1/nothing', 404, undefined],
      [path, 200, SMALL],
    ] as const) {
      const answer = await ask(asked);
      expect(answer.status).toBe(status);
      if (body !== undefined) expect(answer.body.equals(body)).toBe(true);
    }
    expect((await ask(path, { range: 'bytes=6-10' })).body.toString()).toBe('small');
  });

  it.each(['bytes=0-0', 'bytes=100-', 'bytes=-5', 'bytes=4000-9999', 'bytes=5000-', 'bytes=9-3'])(
    'answers %j as node:http does, of small and large blobs',
    async (range) => {
      for (const base of ['/v1', '/v2/edge/app']) {
        for (const digest of [small, large]) {
          const path = `${base}/blobs/${digest}`;
          const hot = await ask(path, { range });
          const other = new Agent({ keepAlive: true });
          const isShort = hot.status === 206 && hot.body.length <= 64 * 1024;
          expect(HOT_ID.test(String(hot.headers['x-request-id']))).toBe(isShort);
          const cold = await ask(path, { range, 'x-request-id': 'from-a-proxy' }, other);
          other.destroy();
          const rest = ({ status, headers, body }: Answer) => ({
            status,
            body: status === 206 ? digestOf(body) : '',
            headers: { ...headers, 'x-request-id': '', date: '', 'content-length': '' },
          });
          expect(rest(hot)).toEqual(rest(cold));
          agent.destroy();
          agent = new Agent({ keepAlive: true, maxSockets: 1 });
        }
      }
    },
  );

  it('never answers for a blob that the repository no longer has', async () => {
    const path = `/v2/edge/app/blobs/${small}`;
    const other = await openSqliteCatalog(`${store.root}/catalog.sqlite`, Date.now);
    for (const remover of [catalog, other]) {
      expect((await ask(path)).status).toBe(200);
      await remover.repositories.unlinkBlob(REPO, small);
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
      expect((await ask(path)).status).toBe(404);
      await remover.repositories.linkBlob(REPO, small, SMALL.length);
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
    }
    await other.close();
    expect((await ask(`/v2/edge/other/blobs/${small}`)).status).toBe(404);
  });

  it('does not serve bytes that are not the blob', async () => {
    const path = store.blobs.filePath(small) ?? '';
    await writeFile(path, Buffer.alloc(4096, 'other '));
    // The routes send what the disk holds; what is kept in memory has been checked.
    await ask(`/v1/blobs/${small}`);
    await writeFile(path, SMALL);
    agent.destroy();
    agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await ask(`/v1/blobs/${small}`)).body.equals(SMALL)).toBe(true);
  });

  it('answers a client that reads late, byte for byte', async () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const request = `GET /v1/blobs/${small} HTTP/1.1\r\nHost: h\r\n\r\n`;
    const count = 2000;
    socket.pause();
    for (let n = 0; n < count; n += 1) {
      socket.write(request);
      if (n % 100 === 0) await sleep(1);
    }
    let received = 0;
    const ids = new Set<string>();
    let text = '';
    for await (const part of socket) {
      text += (part as Buffer).toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end < 0 || text.length < end + 4 + SMALL.length) break;
        ids.add(/X-Request-Id: (\S+)/.exec(text)?.[1] ?? '');
        expect(text.slice(end + 4, end + 4 + SMALL.length)).toBe(SMALL.toString('latin1'));
        text = text.slice(end + 4 + SMALL.length);
        received += 1;
      }
      if (received === count) break;
    }
    expect(ids.size).toBe(count);
  });

  it('answers a client that ends its side with the request, hot or not', async () => {
    const paths = [
      `/v1/blobs/${small}`,
      `/v1/blobs/${small}`,
      `/v1/blobs/${large}`,
      '/v2/',
      '/none',
    ];
    for (const path of paths) {
      const { hostname, port } = new URL(server.url);
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
      socket.end(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
      const parts: Buffer[] = [];
      for await (const part of socket) parts.push(part as Buffer);
      const text = Buffer.concat(parts).toString('latin1');
      const length = Number(/Content-Length: (\d+)/i.exec(text)?.[1]);
      expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toHaveLength(length);
    }
  });

  it('ends idle connections when the server closes', async () => {
    await ask(`/v1/blobs/${small}`);
    const ended = new Promise<void>((resolve) => {
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.once('end', resolve);
    });
    await server.close(60_000);
    await ended;
  });
});
