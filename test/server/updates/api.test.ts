import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import { MAX_BODY_BYTES } from '../../../server/http/json-body.ts';
import type { DeltaPair } from '../../../storage/catalog/delta-catalog.ts';
import { startOriginFixture, post, REPO, STABLE, type OriginFixture } from './origin-fixture.ts';
import { named, sampleAsk } from './sample.ts';

let origin: OriginFixture;

beforeAll(async () => {
  origin = await startOriginFixture();
});

afterAll(async () => {
  await origin.close();
});

async function problem(
  response: Response,
): Promise<{ status: number; code: string; detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body: unknown = await response.json();
  expect(origin.contract.faults('Problem', body)).toEqual([]);
  const { status, code, detail } = body as { status: number; code: string; detail: string };
  expect(status).toBe(response.status);
  return { status, code, detail };
}

function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${origin.server.url}${path}`, { headers });
}

describe('bodies', () => {
  const ask = sampleAsk('v1');

  it.each<[string, unknown, RegExp]>([
    ['an unknown member', { ...ask, colour: 'red' }, /colour/],
    ['a missing member', { ...ask, product: undefined }, /product/],
    ['a name that is none', { ...ask, product: '../etc' }, /\/product/],
    [
      'a digest that is none',
      { ...ask, current: [{ kind: 'oci', name: 'a', digest: 'sha256:xy' }] },
      /\/current\/0\/digest/,
    ],
    ['an unknown plan', { ...ask, accept: ['magic'] }, /\/accept\/0/],
    ['a fraction of a byte', { ...ask, freeBytes: 1.5 }, /\/freeBytes/],
    ['no end of versions', { ...ask, current: Array(17).fill(ask.current[0]) }, /\/current/],
    ['an array', [], /body/],
  ])('%s is refused by schema', async (_what, body, detail) => {
    const refused = await problem(await post(origin.server, '/v1/check', body));
    expect(refused).toMatchObject({ status: 400, code: 'invalid_body' });
    expect(refused.detail).toMatch(detail);
  });

  it('refuses what is no JSON, another type, another coding and a body without end', async () => {
    const send = (body: string, headers: Readonly<Record<string, string>> = {}) =>
      post(origin.server, '/v1/check', body, headers).then(problem);
    expect(await send('{"product":')).toMatchObject({ status: 400 });
    expect(await send('"text"')).toMatchObject({ status: 400 });
    expect(await send('{}', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect(await send('{}', { 'content-encoding': 'gzip' })).toMatchObject({ status: 415 });
    const large = JSON.stringify({ ...ask, lastResult: 'x'.repeat(MAX_BODY_BYTES) });
    expect(await send(large)).toMatchObject({ status: 413, code: 'too_large' });
  });

  it('refuses a missing body with 415', async () => {
    const response = await fetch(`${origin.server.url}/v1/check`, { method: 'POST' });
    expect(await problem(response)).toMatchObject({ status: 415 });
  });
});

describe('headers', () => {
  it.each([
    ['no device', { [DEVICE_HEADER]: '' }],
    ['a device with a space', { [DEVICE_HEADER]: 'a b' }],
    ['a device of 129 characters', { [DEVICE_HEADER]: 'a'.repeat(129) }],
    ['a region that is a path', { 'rivulet-region': '../eu' }],
    ['a cache that is no URL', { 'rivulet-region': 'eu', 'rivulet-cache-url': 'nowhere' }],
    ['a cache over ftp', { 'rivulet-region': 'eu', 'rivulet-cache-url': 'ftp://a/' }],
    ['a cache with a password', { 'rivulet-region': 'eu', 'rivulet-cache-url': 'http://a:b@c/' }],
  ])('%s is refused', async (_what, headers) => {
    const response = await origin.check(sampleAsk('v1'), headers);
    expect(await problem(response)).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('resources', () => {
  it('answers 404 and 405 as problems, and says what is allowed', async () => {
    expect(await problem(await get('/v1/nothing'))).toMatchObject({
      status: 404,
      code: 'not_found',
    });
    const response = await get('/v1/check');
    expect(response.headers.get('allow')).toBe('POST');
    expect(await problem(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    const odd = await get('/v1/decisions/%E0%A4%A/events');
    expect(odd.status).toBe(400);
  });

  it('serves health, metrics and the contract', async () => {
    expect(await (await get('/livez')).json()).toEqual({ status: 'ok' });
    expect(await (await get('/readyz')).json()).toEqual({ status: 'ok' });
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await metrics.text()).toMatch(/^rivulet_delta_queue_depth \d+$/m);
    const contract = await get('/openapi.yaml');
    expect(contract.headers.get('content-type')).toMatch(/^application\/yaml/);
    expect(await contract.text()).toBe(origin.contract.text);
  });

  it('is not ready without its catalog, and still live', async () => {
    const other = await startOriginFixture();
    await other.store.catalog.close();
    expect((await fetch(`${other.server.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${other.server.url}/livez`)).status).toBe(200);
    expect((await fetch(`${other.server.url}/metrics`)).status).toBe(200);
    await other.close();
  });
});

describe('lists', () => {
  const pair = (i: number): DeltaPair => ({
    repo: REPO,
    tag: STABLE,
    platform: i % 2 === 0 ? 'linux/amd64' : 'linux/arm64',
    from: named(`from-${i}`),
    to: named('to'),
  });

  beforeAll(async () => {
    await origin.store.catalog.deltas.ensure(
      Array.from({ length: 25 }, (_, i) => pair(i)),
      0,
    );
  });

  /** Follows `Link` to the last page. */
  async function pages<T>(path: string, key: string): Promise<T[][]> {
    const found: T[][] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const response: Response = await get(next);
      const body = (await response.json()) as Record<string, unknown> & { next?: string };
      found.push(body[key] as T[]);
      const link = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '');
      expect(link?.[1]).toBe(body.next);
      next = body.next;
    }
    return found;
  }

  it('pages the matrix, each row once', async () => {
    const found = await pages<{ id: number; from: string }>('/v1/deltas?limit=10', 'deltas');
    expect(found.map((page) => page.length)).toEqual([10, 10, 5]);
    expect(new Set(found.flat().map(({ from }) => from)).size).toBe(25);
  });

  it('filters the matrix, and keeps the filters from page to page', async () => {
    const query = `repo=demo/app&tag=stable&platform=linux/arm64&state=pending&state=building&limit=5`;
    const found = await pages<{ platform: string }>(`/v1/deltas?${query}`, 'deltas');
    expect(found.flat()).toHaveLength(12);
    expect(new Set(found.flat().map(({ platform }) => platform))).toEqual(new Set(['linux/arm64']));
    const one = await pages<object>(
      `/v1/deltas?from=${named('from-3')}&to=${named('to')}`,
      'deltas',
    );
    expect(one.flat()).toHaveLength(1);
    expect((await pages<object>('/v1/deltas?state=published', 'deltas')).flat()).toEqual([]);
  });

  it.each([
    '/v1/deltas?limit=0',
    '/v1/deltas?limit=1001',
    '/v1/deltas?limit=1e3',
    '/v1/deltas?after=-1',
    '/v1/deltas?after=99999999999999999999',
    '/v1/deltas?state=lost',
    '/v1/deltas?from=sha256:1',
    '/v1/deltas?repo=a&repo=b',
    '/v1/deltas?colour=red',
    '/v1/devices?last=%00',
    '/v1/status?x=1',
  ])('refuses %s', async (path) => {
    expect(await problem(await get(path))).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('counts the matrix', async () => {
    const status: unknown = await (await get('/v1/status')).json();
    expect(status).toMatchObject({ deltas: { pending: 25 }, headCount: 0, heads: [] });
    expect(await (await get('/metrics')).text()).toMatch(/^rivulet_delta_queue_depth 25$/m);
  });

  it('pages devices', async () => {
    for (let i = 0; i < 7; i += 1) {
      await origin.check(sampleAsk('v1'), {
        [DEVICE_HEADER]: `lister-${i}`,
        'rivulet-region': 'eu',
      });
    }
    const found = await pages<{ id: string; region: string }>('/v1/devices?limit=3', 'devices');
    expect(found.flat().map(({ id }) => id)).toEqual(
      Array.from({ length: 7 }, (_, i) => `lister-${i}`),
    );
    expect(found.flat()[0]).toMatchObject({ region: 'eu', current: named('v1') });
  });
});

it('answers random bytes with a problem, whatever they are', async () => {
  for (let i = 0; i < 20; i += 1) {
    const response = await fetch(`${origin.server.url}/v1/check`, {
      method: 'POST',
      headers: { [DEVICE_HEADER]: 'fuzz', 'content-type': 'application/json' },
      body: randomBytes(200),
    });
    expect((await problem(response)).status).toBe(400);
  }
});
