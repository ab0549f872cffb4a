import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';

import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import { startCache } from '../../../server/cache/cache-server.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { sendJson } from '../../../server/oci/respond.ts';
import { needTool } from '../../clients/require.ts';
import { rawRequest } from '../http/rig.ts';
import { Authority } from '../tls/authority.ts';
import { ask as askTls } from '../tls/rig.ts';
import { answerJson } from './origin.ts';
import {
  ask,
  type Answer,
  configOf,
  noise,
  startOrigin,
  startTestCache,
  tempFolder,
  until,
} from './tools.ts';

const openssl = needTool('openssl');
const TOKEN = 'rvt_the-secret-of-this-cache';

/** A device asks for an update. */
function check(url: string, product: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', [DEVICE_HEADER]: 'dev-1' };
  const body = JSON.stringify({
    ...{ product, channel: 'latest', os: 'linux', arch: 'amd64', current: [] },
    ...{ accept: ['full'], freeBytes: 1 },
  });
  return ask(`${url}/v1/check`, { method: 'POST', headers, body });
}

describe('the token that a cache shows to its origin', () => {
  it('goes along with every request', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(300_000));
    const without: string[] = [];
    origin.intercept = (x) => {
      if (x.req.headers.authorization !== `Bearer ${TOKEN}`) without.push(x.path);
      if (x.path === '/v1/releases') answerJson(x, { releases: [] });
      else if (x.path.endsWith('/tags/list')) sendJson(x.res, 200, { name: 'a', tags: [] });
      else if (x.path === '/v1/check') x.res.writeHead(204).end();
      else return false;
      return true;
    };
    const { url } = await startTestCache(origin.url, { upstreamToken: TOKEN });
    expect((await ask(`${url}/v1/blobs/${digest}`)).body.length).toBe(300_000);
    await ask(`${url}/v2/a/tags/list`);
    await ask(`${url}/v2/a/manifests/v1`);
    expect((await check(url, 'a')).status).toBe(204);
    await until(() => origin.seen.includes('GET /v1/releases'));
    expect(without).toEqual([]);
    expect(origin.seen.length).toBeGreaterThan(3);
  });

  it('never goes to another host or port, and back to the origin again', async () => {
    const origin = await startOrigin();
    const bytes = noise(10_000);
    const digest = origin.add(bytes);
    const elsewhere: (string | undefined)[] = [];
    const store = createServer((req, res) => {
      elsewhere.push(req.headers.authorization);
      res.setHeader('Content-Length', bytes.length);
      res.end(req.method === 'HEAD' ? undefined : bytes);
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      store.closeAllConnections();
      store.close();
    });
    const { port } = store.address() as AddressInfo;
    origin.intercept = (x) => {
      if (!x.path.includes('/blobs/')) return false;
      x.res.writeHead(307, { Location: `http://127.0.0.1:${port}/stored` }).end();
      return true;
    };
    const { url } = await startTestCache(origin.url, { upstreamToken: TOKEN });
    expect((await ask(`${url}/v1/blobs/${digest}`)).body.equals(bytes)).toBe(true);
    expect(elsewhere.length).toBeGreaterThan(0);
    expect(new Set(elsewhere)).toEqual(new Set([undefined]));
  });
});

describe('access to a cache', () => {
  const access = { anonymous: ['pull:open/**'] };

  it('lets anonymous callers read what they may, through the repository that has it', async () => {
    const origin = await startOrigin();
    const shared = origin.add(noise(1000, 1));
    const secret = origin.add(noise(1000, 2));
    origin.intercept = (x) => {
      // The origin has the second blob in another repository only.
      if (!x.path.startsWith('/v2/open/') || !x.path.endsWith(secret)) return false;
      x.res.writeHead(404).end();
      return true;
    };
    const { url } = await startTestCache(origin.url, { access });
    const status = async (path: string, method = 'GET'): Promise<number> =>
      (await ask(`${url}${path}`, { method })).status;
    expect(await status('/v2/')).toBe(200);
    expect(await status(`/v2/open/app/blobs/${shared}`)).toBe(200);
    expect(await status(`/v2/closed/app/blobs/${shared}`)).toBe(401);
    expect(await status(`/v1/blobs/${shared}`)).toBe(401);
    expect(await status('/v2/closed/app/tags/list')).toBe(401);
    expect(await status('/metrics')).toBe(401);
    expect(await status('/v1/status')).toBe(401);
    expect(await status('/livez')).toBe(200);
    expect(await status('/readyz')).toBe(200);
    expect(await status(`/v2/open/app/blobs/${secret}`)).toBe(404);
    expect(await status('/v2/open/app/manifests/v1', 'PUT')).toBe(405);
  });

  it('does not give a cached blob to who may not read the repository that has it', async () => {
    const origin = await startOrigin();
    const secret = origin.add(noise(1000, 3));
    const first = await startTestCache(origin.url);
    expect((await ask(`${first.url}/v1/blobs/${secret}`)).status).toBe(200);
    await first.close();
    origin.intercept = (x) => {
      if (!x.path.startsWith('/v2/open/')) return false;
      x.res.writeHead(404).end();
      return true;
    };
    const { url } = await startTestCache(origin.url, { access, data: first.data });
    expect((await ask(`${url}/v2/open/app/blobs/${secret}`)).status).toBe(404);
    const sly = `/v2/open/x/%2e%2e/%2e%2e/closed/app/blobs/${secret}`;
    const request = `GET ${sly} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    expect(await rawRequest(url, request)).toMatch(/^HTTP\/1.1 400 .*NAME_INVALID/s);
    expect(origin.seen.filter((line) => line.includes('closed'))).toEqual([]);
  });

  it('says that it knows no tokens, in the form of the path', async () => {
    const origin = await startOrigin();
    const { url } = await startTestCache(origin.url, { access: { anonymous: ['pull:**'] } });
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const authorization of ['Bearer rvt_x', basic('ci:rvt_x'), 'Negotiate x']) {
      const v1 = await ask(`${url}/v1/status`, { headers: { authorization } });
      expect(v1.status).toBe(401);
      expect(v1.headers['www-authenticate']).toMatch(/^Basic /);
      expect(JSON.parse(v1.body.toString())).toMatchObject({
        code: 'unauthorized',
        detail: expect.stringContaining('a cache knows no tokens') as string,
      });
      const v2 = await ask(`${url}/v2/`, { headers: { authorization } });
      expect(v2.status).toBe(401);
      expect(v2.body.toString()).toMatch(/UNAUTHORIZED.*a cache knows no tokens/);
    }
    expect((await ask(`${url}/v2/`, { headers: { authorization: basic(':') } })).status).toBe(200);
  });

  it('asks for the product of a check', async () => {
    const origin = await startOrigin();
    origin.intercept = (x) => {
      if (x.path !== '/v1/check') return false;
      x.res.writeHead(204).end();
      return true;
    };
    const { url } = await startTestCache(origin.url, { access });
    expect((await check(url, 'open/app')).status).toBe(204);
    expect((await check(url, 'closed/app')).status).toBe(401);
  });

  it.skipIf(openssl === undefined)(
    'knows callers by certificates, counts and audits them',
    async () => {
      const folder = await tempFolder();
      const ca = new Authority(folder, 'one');
      const server = ca.server();
      const device = ca.leaf('device', { san: 'URI:spiffe://fleet/eu/device-7' });
      const stranger = new Authority(folder, 'two').leaf('stranger');
      const origin = await startOrigin();
      const digest = origin.add(noise(1000));
      let log = '';
      const output = new Writable({
        write(bytes: Buffer, _encoding, done) {
          log += bytes.toString();
          done();
        },
      });
      const config = configOf(origin.url, await tempFolder(), {
        tls: { cert: server.certFile, key: server.keyFile, clientCa: ca.certFile },
        access: { 'uri:spiffe://fleet/eu/**': ['pull:**'] },
        limits: { address: { perSecond: 0, burst: 1 }, principal: { perSecond: 0.001, burst: 2 } },
      });
      const cache = await startCache(config, createLogger('info', output));
      onTestFinished(() => cache.close());
      expect(cache.url).toMatch(/^https:/);
      const path = `${cache.url}/v1/blobs/${digest}`;
      expect((await askTls(path, { ca: ca.cert })).status).toBe(401);
      const refused = await askTls(path, { ca: ca.cert, client: stranger });
      expect(refused.status).toBe(401);
      expect(refused.text).toContain('no authority that this server trusts');
      const statuses: number[] = [];
      for (let count = 0; count < 3; count += 1) {
        statuses.push((await askTls(path, { ca: ca.cert, client: device })).status);
      }
      expect(statuses).toEqual([200, 200, 429]);
      await until(() => log.split('"audit":"refusal"').length === 4);
      expect(log).toContain('"principal":"uri:spiffe://fleet/eu/device-7"');
    },
  );
});
