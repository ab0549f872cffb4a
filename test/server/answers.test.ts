import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadContract, type Contract } from '../../server/http/validate.ts';
import { digestToCid } from '../../storage/cid.ts';
import { parseDigest } from '../../storage/digest.ts';
import { rawRequest } from './http/rig.ts';
import {
  startLiveCache,
  startLiveOrigin,
  type LiveOrigin,
  type LiveServer,
} from './live-servers.ts';
import { Client } from './oci/rig.ts';
import { named } from './updates/sample.ts';

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/;

interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

let dir: string;
let contract: Contract;
let origin: LiveOrigin;
let cache: LiveServer;
let blob: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-answers-'));
  contract = await loadContract();
  origin = await startLiveOrigin(dir);
  cache = await startLiveCache(dir, origin.url);
  blob = await new Client(origin.url, 'demo/app').pushBlob(Buffer.from('some bytes'));
});
afterAll(async () => {
  await cache.close();
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

/** Exactly these lines, over a connection of their own. */
async function send({ url }: LiveServer, ...lines: readonly string[]): Promise<RawAnswer> {
  const all = await rawRequest(url, `${lines.join('\r\n')}\r\n\r\n`);
  const [head = '', body = ''] = all.split(/\r\n\r\n([^]*)/);
  const [first = '', ...fields] = head.split('\r\n');
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: new Map(headers), body };
}

function plain(method: string, path: string, ...fields: readonly string[]): readonly string[] {
  return [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...fields];
}

const DEVICE = 'rivulet-device: device-1';
const digest = named('nothing');
const PROBLEMS: readonly (readonly [number, string, readonly string[]])[] = [
  [400, 'bad_request', ['GARBAGE']],
  [400, 'bad_request', ['GET /livez HTTP/1.1', 'Host: x', 'Content-Length: -1']],
  [431, 'headers_too_large', plain('GET', '/livez', `X-Long: ${'x'.repeat(70_000)}`)],
  [431, 'headers_too_large', plain('GET', '/v2/', `X-Long: ${'x'.repeat(70_000)}`)],
  [400, 'bad_request', plain('GET', '/v1/%zz')],
  [400, 'invalid_name', plain('GET', '/v1/blobs/nothing')],
  [404, 'not_found', plain('GET', '/nothing/here')],
  [404, 'not_found', plain('GET', '/v1/blobs')],
  [404, 'not_found', plain('PROPFIND', '/nothing')],
  [405, 'method_not_allowed', plain('PUT', '/v1/check', 'Content-Length: 0')],
  [405, 'method_not_allowed', plain('DELETE', '/livez')],
  [405, 'method_not_allowed', plain('POST', `/v1/blobs/${digest}`, 'Content-Length: 0')],
  [415, 'unsupported_media_type', plain('POST', '/v1/check', DEVICE, 'Content-Length: 0')],
  [
    413,
    'too_large',
    [
      ...plain('POST', '/v1/check', DEVICE, 'Content-Type: application/json'),
      ...['Content-Length: 300004', '', 'x'.repeat(300_000)],
    ],
  ],
];

describe.each([
  ['an origin', () => origin],
  ['a cache', () => cache],
])('every answer of %s', (_, server) => {
  it.each(PROBLEMS)('is a problem: %i %s', async (status, code, lines) => {
    const answer = await send(server(), ...lines);
    expect(`${answer.status} ${answer.body}`).toContain(`${status} {`);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    const problem = JSON.parse(answer.body) as Record<string, unknown>;
    expect(contract.faults('Problem', problem)).toEqual([]);
    expect(problem).toMatchObject({ status, code });
    expect(problem['requestId']).toBe(answer.headers.get('x-request-id'));
    expect(problem['requestId']).toMatch(REQUEST_ID);
  });

  it.each([
    [404, 'NAME_UNKNOWN', plain('GET', '/v2/nothing')],
    [404, 'MANIFEST_UNKNOWN', plain('GET', '/v2/some/where/manifests/none')],
    [400, 'DIGEST_INVALID', plain('GET', '/v2/some/where/blobs/none')],
    [400, 'NAME_INVALID', plain('GET', '/v2/UPPER/tags/list')],
    [405, 'UNSUPPORTED', plain('PUT', '/v2/', 'Content-Length: 0')],
  ])('is a registry error below /v2: %i %s', async (status, code, lines) => {
    const answer = await send(server(), ...lines);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('x-request-id')).toMatch(REQUEST_ID);
    expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    const body: unknown = JSON.parse(answer.body);
    expect(contract.faults('RegistryErrors', body)).toEqual([]);
    expect(body).toMatchObject({ errors: [{ code }] });
  });

  it('names its request whatever its status, without a body too', async () => {
    const etag = `If-None-Match: "${blob}"`;
    const requests = [
      [200, plain('GET', `/v1/blobs/${blob}`)],
      [200, plain('HEAD', `/v1/blobs/${blob}`)],
      [200, plain('GET', `/v1/blobs/${digestToCid(parseDigest(blob)).toString()}`)],
      [206, plain('GET', `/v1/blobs/${blob}`, 'Range: bytes=0-1')],
      [206, plain('GET', `/v1/blobs/${blob}`, 'Range: bytes=0-1,3-4')],
      [304, plain('GET', `/v1/blobs/${blob}`, etag)],
      [412, plain('HEAD', `/v1/blobs/${blob}`, 'If-Match: "other"')],
      [416, plain('GET', `/v2/demo/app/blobs/${blob}`, 'Range: bytes=99-')],
      [404, plain('HEAD', '/nothing')],
      [404, plain('HEAD', `/v2/some/where/blobs/${digest}`)],
      [405, plain('OPTIONS', '/metrics')],
    ] as const;
    const ids = new Set<string>();
    for (const [status, lines] of requests) {
      const answer = await send(server(), ...lines);
      expect(`${lines[0] ?? ''} ${answer.status}`).toBe(`${lines[0] ?? ''} ${status}`);
      const id = answer.headers.get('x-request-id') ?? '';
      expect(id).toMatch(REQUEST_ID);
      ids.add(id);
      if (status === 304 || lines[0]?.startsWith('HEAD') === true) expect(answer.body).toBe('');
    }
    expect(ids.size).toBe(requests.length);
  });

  it("keeps a proxy's request id if it is sane, and only then", async () => {
    const path = '/nothing';
    const ask = async (id: string): Promise<string> =>
      (await send(server(), ...plain('GET', path, `X-Request-Id: ${id}`))).headers.get(
        'x-request-id',
      ) ?? '';
    expect(await ask('proxy-1.2_3')).toBe('proxy-1.2_3');
    for (const id of [
      'short',
      'x'.repeat(65),
      'has space in it',
      'semi;colon;here',
      '{"json":1}',
    ]) {
      const given = await ask(id);
      expect(given).not.toBe(id);
      expect(given).toMatch(REQUEST_ID);
    }
  });
});

describe('a hot answer', () => {
  it('names its request as any other does', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ids = new Set<string>();
    for (let i = 0; i < 3; i += 1) {
      const [answer] = (await once(
        get(`${origin.url}/v1/blobs/${blob}`, { agent }),
        'response',
      )) as [IncomingMessage];
      expect(await text(answer)).toBe('some bytes');
      ids.add(String(answer.headers['x-request-id']));
    }
    agent.destroy();
    // Its ids are counted, those of node:http are UUIDs.
    expect([...ids].filter((id) => /^[0-9a-f]{16}-[0-9a-f]{12}$/.test(id))).toHaveLength(3);
    const told = origin.log.lines.map(({ requestId }) => requestId);
    expect(told).toEqual(expect.arrayContaining([...ids]));
  });
});

describe('log lines', () => {
  it('of one request share its id, and an error has it', async () => {
    await origin.store.catalog.close();
    for (const path of ['/v1/status', '/v2/_catalog', '/v1/releases']) {
      const response = await fetch(`${origin.url}${path}`, {
        headers: { 'x-request-id': `walk${path.replaceAll('/', '-')}` },
      });
      const id = response.headers.get('x-request-id');
      expect(response.status).toBeGreaterThanOrEqual(500);
      expect(await response.text()).not.toMatch(/sqlite|closed|\.ts|node_modules/i);
      await expect
        .poll(() =>
          origin.log.lines.filter((line) => line['requestId'] === id).map(({ msg }) => msg),
        )
        .toEqual(['request failed', 'answered']);
    }
    const errors = origin.log.lines.filter(({ level }) => Number(level) >= 50);
    expect(errors.length).toBeGreaterThanOrEqual(3);
    for (const line of errors) expect(line['requestId'], JSON.stringify(line)).toBeTypeOf('string');
  });
});
