import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { digestOf, type Digest } from '../../../storage/digest.ts';
import { seededBytes } from '../../clients/oci-image.ts';
import { needTool } from '../../clients/require.ts';
import { startTlsRig, type TlsRig, type TlsRigOptions } from '../../clients/tls-rig.ts';
import { Client } from '../oci/rig.ts';
import type { Pair } from './authority.ts';
import { ask, type Answer } from './rig.ts';

const openssl = needTool('openssl');

/** Request ids of the hot path; others are UUIDs or what the client gave. */
const HOT = /^[0-9a-f]{16}-[0-9a-f]{12}$/;
/** What asks for anything else is not for the hot path. */
const KEEP = { connection: 'keep-alive' };
const SMALL = seededBytes('small', 4096);
const LARGE = seededBytes('large', 9_000_001);

interface Origin {
  readonly rig: TlsRig;
  readonly small: Digest;
  readonly large: Digest;
}

async function startOver(name: string, options: TlsRigOptions = {}): Promise<Origin> {
  const rig = await startTlsRig(name, options);
  await rig.plain(async (url) => {
    for (const bytes of [SMALL, LARGE]) await new Client(url, 'demo/app').pushBlob(bytes);
  });
  return { rig, small: digestOf(SMALL), large: digestOf(LARGE) };
}

describe.skipIf(openssl === undefined)('a whole origin over TLS', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOver('tls-hot');
  });
  afterAll(() => origin.rig.close());

  /** Requests over one connection that is kept alive; how many there were in the end. */
  function keptAlive() {
    const { rig } = origin;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    onTestFinished(() => {
      agent.destroy();
    });
    const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
      ask(rig.url + path, { ca: rig.authority.cert, agent, headers });
    return { get, sockets };
  }

  it('answers small blobs and ranges of large ones by the hot path', async () => {
    const { get, sockets } = keptAlive();
    const ids = new Set<unknown>();
    for (const base of ['/v1', '/v2/demo/app']) {
      for (let times = 0; times < 2; times += 1) {
        const { status, headers, text } = await get(`${base}/blobs/${origin.small}`);
        expect([status, text === SMALL.toString('latin1')]).toEqual([200, true]);
        expect(headers['x-request-id']).toMatch(HOT);
        ids.add(headers['x-request-id']);
      }
      for (const [range, start, end] of [
        ['bytes=100-65635', 100, 65_636],
        ['bytes=8999000-', 8_999_000, LARGE.length],
        ['bytes=-5', LARGE.length - 5, LARGE.length],
      ] as const) {
        const path = `${base}/blobs/${origin.large}`;
        const { status, headers, text } = await get(path, { range });
        expect(status).toBe(206);
        expect(headers['content-range']).toBe(`bytes ${start}-${end - 1}/${LARGE.length}`);
        expect(text === LARGE.subarray(start, end).toString('latin1')).toBe(true);
        expect(headers['x-request-id']).toMatch(HOT);
        ids.add(headers['x-request-id']);
      }
    }
    expect([ids.size, sockets.size]).toEqual([10, 1]);
  });

  it('goes on with everything else on the same connection', async () => {
    const { get, sockets } = keptAlive();
    const path = `/v2/demo/app/blobs/${origin.small}`;
    expect((await get(path)).headers['x-request-id']).toMatch(HOT);
    const named = await get(path, { 'x-request-id': 'asked-for-by-a-client' });
    expect([named.headers['x-request-id'], named.text.length]).toEqual([
      'asked-for-by-a-client',
      SMALL.length,
    ]);
    const whole = await get(`/v1/blobs/${origin.large}`);
    expect(whole.text === LARGE.toString('latin1')).toBe(true);
    expect(whole.headers['x-request-id']).not.toMatch(HOT);
    const most = await get(`/v1/blobs/${origin.large}`, { range: 'bytes=1-' });
    expect(most.text === LARGE.toString('latin1', 1)).toBe(true);
    expect((await get('/v2/')).status).toBe(200);
    expect((await get(`/v1/blobs/sha256:${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get(path)).text === SMALL.toString('latin1')).toBe(true);
    expect(sockets.size).toBe(1);
  });

  it('answers requests that come in pieces, and in a row', async () => {
    const head = `GET /v1/blobs/${origin.small} HTTP/1.1\r\nHost: a\r\n\r\n`;
    for (const pieces of [
      [head, head, head],
      [head, head.slice(0, 9), head.slice(9) + head],
      [head + head, head],
    ]) {
      const text = await converse(origin.rig, pieces);
      expect(text.match(/HTTP\/1\.1 200 OK\r\n/g)).toHaveLength(3);
      expect(text.split(SMALL.toString('latin1'))).toHaveLength(4);
    }
  });
});

describe.skipIf(openssl === undefined)('a whole origin over TLS, with rules', () => {
  it('is hot for nobody while it asks for certificates, and refuses one that expired', async () => {
    const access = { anonymous: ['pull:**'] };
    const { rig, small } = await startOver('tls-asks', { access, asksClients: true });
    onTestFinished(() => rig.close());
    const { authority } = rig;
    const get = (path: string, client?: Pair) =>
      ask(`${rig.url}${path}/blobs/${small}`, { ca: authority.cert, client, headers: KEEP });
    const expired = authority.leaf('old', { days: -1 });
    for (const path of ['/v1', '/v2/demo/app']) {
      for (const client of [undefined, authority.leaf('good'), undefined]) {
        const { status, headers, text } = await get(path, client);
        expect([status, text === SMALL.toString('latin1')]).toEqual([200, true]);
        expect(headers['x-request-id']).not.toMatch(HOT);
      }
      const { status, text } = await get(path, expired);
      expect(status).toBe(401);
      expect(text).toContain('has expired; renew it');
    }
  });

  it('is hot for everyone where anyone may read, but looks at credentials', async () => {
    const { rig, small } = await startOver('tls-open', { access: { anonymous: ['pull:**'] } });
    onTestFinished(() => rig.close());
    const url = `${rig.url}/v2/demo/app/blobs/${small}`;
    const get = (headers: Record<string, string>) =>
      ask(url, { ca: rig.authority.cert, headers: { ...KEEP, ...headers } });
    expect((await get({})).headers['x-request-id']).toMatch(HOT);
    expect((await get({ authorization: 'Bearer rvt_wrong' })).status).toBe(401);
  });

  it('is hot for nobody where a part is closed', async () => {
    const access = { anonymous: ['pull:public/**'] };
    const { rig, small } = await startOver('tls-closed', { access });
    onTestFinished(() => rig.close());
    for (const path of ['/v1', '/v2/demo/app']) {
      const url = `${rig.url}${path}/blobs/${small}`;
      expect((await ask(url, { ca: rig.authority.cert, headers: KEEP })).status).toBe(401);
    }
  });
});

/** Sends pieces one after another, and ends a moment later; all that came. */
function converse({ url, authority }: TlsRig, pieces: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const options = { host: hostname, port: Number(port), ca: authority.cert, allowHalfOpen: true };
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(options, () => {
      void (async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await sleep(50);
        }
        socket.end();
      })();
    });
    socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
    socket.on('end', () => {
      resolve(text);
    });
    socket.on('error', reject);
  });
}
