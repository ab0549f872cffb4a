import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Upstream } from '../../../server/cache/upstream.ts';
import { readTls } from '../../../server/cache/registries/sources.ts';
import type { UpstreamTlsConfig } from '../../../server/config.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf } from '../../../storage/digest.ts';
import { Authority, type Pair } from '../tls/authority.ts';
import { ask, startOrigin, startTestCache } from './tools.ts';

const MANIFEST = Buffer.from('{"schemaVersion":2}');

let dir = '';
let authority: Authority;
let stranger: Authority;
let client: Pair;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rivulet-cache-tls-'));
  authority = new Authority(dir, 'private');
  stranger = new Authority(dir, 'stranger');
  client = authority.leaf('cache', { san: 'URI:spiffe://fleet.example/cache/eu' });
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

interface TlsRegistry {
  /** By the name that its certificate has, unless told otherwise. */
  readonly url: string;
  /** Common names of the certificates that callers showed. */
  readonly callers: string[];
}

/** A registry, or an origin, of one manifest, which lets in only callers with a certificate. */
async function startTls({ cert, key }: Pair, host = '127.0.0.1'): Promise<TlsRegistry> {
  const callers: string[] = [];
  const options = { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const server: Server = createServer(options, (req, res) => {
    const { socket } = req;
    callers.push(socket instanceof TLSSocket ? nameIn(socket) : 'nobody');
    res.writeHead(200, {
      'Content-Type': MEDIA_TYPES.ociManifest,
      'Docker-Content-Digest': digestOf(MANIFEST),
      'Content-Length': MANIFEST.length,
    });
    res.end(req.method === 'HEAD' ? undefined : MANIFEST);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://${host}:${(server.address() as AddressInfo).port}`, callers };
}

function nameIn(socket: TLSSocket): string {
  const { CN } = socket.getPeerCertificate().subject;
  return Array.isArray(CN) ? CN.join() : (CN ?? '');
}

const trusting = (): UpstreamTlsConfig => ({
  ca: authority.certFile,
  cert: client.certFile,
  key: client.keyFile,
});

describe('an upstream and registries over TLS', () => {
  it('are believed by their own authority, and see the certificate of the cache', async () => {
    const origin = await startTls(authority.server());
    const quay = await startTls(authority.server('quay'), 'localhost');
    const cache = await startTestCache(origin.url, {
      upstreamTls: trusting(),
      registries: { 'quay.lan': { url: quay.url, tls: trusting() } },
    });
    for (const query of ['', '?ns=quay.lan']) {
      const { status, body } = await ask(`${cache.url}/v2/org/app/manifests/1${query}`);
      expect([status, body.equals(MANIFEST)]).toEqual([200, true]);
    }
    expect(new Set([...origin.callers, ...quay.callers])).toEqual(new Set(['cache']));
    expect(quay.callers.length).toBeGreaterThan(0);
  });

  it('that keep to themselves what one of them trusts: settings of one are not the other’s', async () => {
    const origin = await startOrigin();
    const quay = await startTls(authority.server());
    const cache = await startTestCache(origin.url, {
      upstreamTls: trusting(),
      registries: { 'quay.lan': { url: quay.url } },
    });
    const { status } = await ask(`${cache.url}/v2/org/app/manifests/1?ns=quay.lan`);
    expect([status, quay.callers]).toEqual([503, []]);
  });

  it.each([
    [
      'of another host',
      () => authority.leaf('elsewhere', { san: 'DNS:elsewhere.example' }),
      trusting,
      /another name/,
    ],
    ['of an unknown authority', () => stranger.server(), trusting, /no authority known here/],
    [
      'to whom the cache shows none',
      () => authority.server(),
      () => ({ ca: authority.certFile }),
      /is not to be had/,
    ],
  ])(
    '%s are told from one that is gone, and are told nothing',
    async (_what, pair, tls, message) => {
      const { url, callers } = await startTls(pair());
      const upstream = new Upstream({
        base: url,
        tls: await readTls('upstreamTls', tls()),
        clock: Date.now,
        onBytes: () => undefined,
        retry: { attempts: 1, pauseMs: 1, maxPauseMs: 1 },
      });
      onTestFinished(() => {
        upstream.close();
      });
      const asked = upstream.request({ method: 'GET', path: '/v1/releases' });
      await expect(asked).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(message) as string,
      });
      expect(callers).toEqual([]);
    },
  );

  it('of files that are not there: the start fails, and names the setting', async () => {
    const missing = startTestCache('https://127.0.0.1:1', {
      upstreamTls: { ca: join(dir, 'no.pem') },
    });
    await expect(missing).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('upstreamTls.ca') as string,
    });
  });
});
