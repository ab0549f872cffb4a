import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createBlobRoute } from '../../../server/blobs.ts';
import type { HttpServer } from '../../../server/http/http-server.ts';
import { sendBlob } from '../../../server/http/send-blob.ts';
import { createMetrics } from '../../../server/observe/metrics.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { readParts } from './multipart-reader.ts';
import { openStore, rawRequest, serve, type OpenedStore } from './rig.ts';

const SIZE = 700_001;
const content = seededBytes('send-blob', SIZE);
const digest = digestOf(content);
const etag = `"${digest}"`;

async function bodyOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

describe.each(['fs', 'memory'] as const)('blobs of a %s store', (kind) => {
  const metrics = createMetrics();
  let store: OpenedStore;
  let server: HttpServer;
  let url: string;

  beforeAll(async () => {
    store = await openStore(kind);
    server = await serve({ routes: [createBlobRoute({ blobs: store.blobs })], metrics });
    await store.blobs.putBytes(content);
    url = `${server.url}/v1/blobs/${digest}`;
  });
  afterAll(async () => {
    await server.close();
    await store.remove();
  });

  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    fetch(url, { headers, method });

  it('sends the whole, with everything a client or a cache needs to know', async () => {
    const response = await get({ 'accept-encoding': 'gzip, zstd' });
    expect(response.status).toBe(200);
    expect((await bodyOf(response)).equals(content)).toBe(true);
    const sha = createHash('sha256').update(content).digest('base64');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag,
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-length': String(SIZE),
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
      'repr-digest': `sha-256=:${sha}:`,
    });
    expect(response.headers.get('content-encoding')).toBeNull();
  });

  it('answers HEAD like GET, without the body, whatever the range', async () => {
    const [head, whole] = [await get({ range: 'bytes=1-2' }, 'HEAD'), await get()];
    await whole.arrayBuffer();
    expect(head.status).toBe(200);
    for (const name of ['etag', 'content-length', 'content-type', 'repr-digest', 'accept-ranges']) {
      expect(head.headers.get(name)).toBe(whole.headers.get(name));
    }
    const raw = await rawRequest(
      server.url,
      `HEAD /v1/blobs/${digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(raw.endsWith('\r\n\r\n')).toBe(true);
  });

  it('sends any range as the slice it is', async () => {
    const place = fc.nat(SIZE + 1000);
    await fc.assert(
      fc.asyncProperty(place, place, fc.constantFrom('a-b', 'a-', '-n'), async (a, b, form) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const spec = form === 'a-b' ? `${low}-${high}` : form === 'a-' ? `${low}-` : `-${low}`;
        const start = form === '-n' ? Math.max(0, SIZE - low) : low;
        const end = Math.min(form === 'a-b' ? high + 1 : SIZE, SIZE);
        const response = await get({ range: `bytes=${spec}` });
        const body = await bodyOf(response);
        if (start >= SIZE || (form === '-n' && low === 0)) {
          expect(response.status).toBe(416);
          expect(response.headers.get('content-range')).toBe(`bytes */${SIZE}`);
          return;
        }
        expect(response.status).toBe(206);
        expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${SIZE}`);
        expect(response.headers.get('content-length')).toBe(String(end - start));
        expect(body.equals(content.subarray(start, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('sends many ranges as one part each, in the order asked, with the exact length', async () => {
    const range = fc.tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: 20_000 }));
    const ranges = fc.array(range, { minLength: 2, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(ranges, async (asked) => {
        const slices = asked.map(([start, n]) => [start, Math.min(start + n, SIZE) - 1] as const);
        const response = await get({
          range: `bytes=${slices.map((slice) => slice.join('-')).join(', ')}`,
        });
        const body = await bodyOf(response);
        expect(response.status).toBe(206);
        expect(response.headers.get('content-length')).toBe(String(body.length));
        const parts = readParts(response.headers.get('content-type'), body);
        expect(parts.map(({ start, end }) => [start, end])).toEqual(slices);
        for (const { start, end, total, bytes } of parts) {
          expect(total).toBe(SIZE);
          expect(bytes.equals(content.subarray(start, end + 1))).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('takes 1,024 ranges in one header, not more', async () => {
    const header = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, i) => `${600_000 + i * 90}-${600_000 + i * 90 + 9}`).join(',')}`;
    expect(header(1024).length).toBeGreaterThan(14_000);
    const response = await get({ range: header(1024) });
    const parts = readParts(response.headers.get('content-type'), await bodyOf(response));
    expect(parts).toHaveLength(1024);
    const refused = await get({ range: header(1025) });
    expect(refused.status).toBe(400);
    await refused.arrayBuffer();
  });

  it('sends one part when only one of several ranges has bytes', async () => {
    const response = await get({ range: `bytes=${SIZE}-,5-9` });
    const parts = readParts(response.headers.get('content-type'), await bodyOf(response));
    expect(parts.map(({ start, end }) => [start, end])).toEqual([[5, 9]]);
  });

  it.each([
    ['bytes=0-,0-,0-', 'far more than there is'],
    ['bytes=x', 'bad syntax'],
    ['lines=1-2', 'another unit'],
  ])('ignores %s: %s', async (range) => {
    const response = await get({ range });
    expect(response.status).toBe(200);
    expect((await bodyOf(response)).length).toBe(SIZE);
  });

  it('honours If-Range for this very etag alone', async () => {
    for (const [ifRange, status] of [
      [etag, 206],
      [`W/${etag}`, 200],
      ['"other"', 200],
      [new Date().toUTCString(), 200],
    ] as const) {
      const response = await get({ range: 'bytes=0-0', 'if-range': ifRange });
      await response.arrayBuffer();
      expect([ifRange, response.status]).toEqual([ifRange, status]);
    }
  });

  it('answers conditions', async () => {
    for (const [header, value, status] of [
      ['if-none-match', etag, 304],
      ['if-none-match', `"other", W/${etag}`, 304],
      ['if-none-match', '*', 304],
      ['if-none-match', '"other"', 200],
      ['if-match', etag, 200],
      ['if-match', '"other"', 412],
      ['if-match', `W/${etag}`, 412],
    ] as const) {
      const response = await get({ [header]: value });
      const body = await bodyOf(response);
      expect([header, value, response.status]).toEqual([header, value, status]);
      if (status === 304) {
        expect(body.length).toBe(0);
        expect(response.headers.get('etag')).toBe(etag);
      }
    }
  });

  it('serves an empty blob', async () => {
    const { digest: empty } = await store.blobs.putBytes(Buffer.alloc(0));
    const response = await fetch(`${server.url}/v1/blobs/${empty}`);
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '0']);
    const ranged = await fetch(`${server.url}/v1/blobs/${empty}`, {
      headers: { range: 'bytes=0-' },
    });
    expect([ranged.status, ranged.headers.get('content-range')]).toEqual([416, 'bytes */0']);
  });

  it('serves sha512 under its own digest', async () => {
    const named = digestOf(content, 'sha512');
    await store.blobs.put(named, [content]);
    const response = await fetch(`${server.url}/v1/blobs/${named}`);
    expect((await bodyOf(response)).equals(content)).toBe(true);
    expect(response.headers.get('repr-digest')).toMatch(/^sha-512=:/);
  });

  it('refuses what is no digest, what is not there and what is no read', async () => {
    const unknown = digestOf(Buffer.from('unknown'));
    for (const [path, method, status, code] of [
      ['sha256:bad', 'GET', 400, 'invalid_name'],
      ['..%2F..%2Fetc%2Fpasswd', 'GET', 400, 'invalid_name'],
      ['', 'GET', 400, 'invalid_name'],
      [unknown, 'GET', 404, 'not_found'],
      [digest, 'DELETE', 405, 'method_not_allowed'],
    ] as const) {
      const response = await fetch(`${server.url}/v1/blobs/${path}`, { method });
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(await response.json()).toMatchObject({ status, code });
      if (status === 405) expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
  });

  it('takes an escaped colon', async () => {
    const response = await fetch(`${server.url}/v1/blobs/${digest.replace(':', '%3A')}`);
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  });

  it('serves 200 range readers at once', async () => {
    const readers = Array.from({ length: 200 }, async (_, reader) => {
      const start = (reader * 3301) % (SIZE - 20_000);
      const response = await get({ range: `bytes=${start}-${start + 19_999}` });
      return (await bodyOf(response)).equals(content.subarray(start, start + 20_000));
    });
    expect(new Set(await Promise.all(readers))).toEqual(new Set([true]));
  });

  it('counts what it sent, by kind', async () => {
    metrics.registry.resetMetrics();
    await bodyOf(await get());
    await bodyOf(await get({ range: 'bytes=0-99' }));
    await bodyOf(await get({ range: `bytes=${SIZE}-` }));
    const text = await metrics.registry.metrics();
    expect(text).toContain(`rivulet_bytes_served_total{tier="origin",kind="whole"} ${SIZE}`);
    expect(text).toContain('rivulet_bytes_served_total{tier="origin",kind="range"} 100');
    expect(text).toContain('rivulet_range_requests_total{kind="unsatisfiable"} 1');
    expect(text).toContain(
      'rivulet_http_requests_total{route="/v1/blobs/{digest}",status="416"} 1',
    );
  });
});

describe('a deletion', () => {
  it('does not disturb a transfer, and shows at once to the next', async () => {
    const store = await openStore('fs');
    const server = await serve({ routes: [createBlobRoute({ blobs: store.blobs })] });
    const large = seededBytes('large', 24 * 1024 * 1024);
    const { digest: name } = await store.blobs.putBytes(large);
    const url = `${server.url}/v1/blobs/${name}`;
    const running = await new Promise<Readable>((resolve, reject) => {
      httpGet(url, resolve).on('error', reject);
    });
    await rm(store.blobs.filePath(name) ?? '');
    const parts: Buffer[] = [];
    for await (const part of running) parts.push(part as Buffer);
    expect(Buffer.concat(parts).equals(large)).toBe(true);
    expect((await fetch(url)).status).toBe(404);
    await server.close();
    await store.remove();
  });
});

describe('a source that breaks its promise', () => {
  const name: Digest = digestOf(Buffer.from('promised'));

  async function fetchFrom(open: () => Readable): Promise<Buffer> {
    const server = await serve({
      routes: [
        async (x) => {
          await sendBlob(x, { digest: name, size: 1000, open: () => Promise.resolve(open()) });
          return true;
        },
      ],
    });
    try {
      return await bodyOf(await fetch(server.url));
    } finally {
      await server.close();
    }
  }

  it('ends as a broken transfer, never as a clean one', async () => {
    await expect(fetchFrom(() => Readable.from([Buffer.alloc(999)]))).rejects.toThrow();
    await expect(fetchFrom(() => Readable.from([Buffer.alloc(1001)]))).rejects.toThrow();
    await expect(
      fetchFrom(() =>
        Readable.from(
          (function* () {
            yield Buffer.alloc(500);
            throw new Error('disk');
          })(),
        ),
      ),
    ).rejects.toThrow();
    expect(await fetchFrom(() => Readable.from([Buffer.alloc(1000)]))).toHaveLength(1000);
  });
});
