import { Agent } from 'node:https';
import { connect } from 'node:tls';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readCertificate } from '../../../server/auth/certificate-fields.ts';
import { createCertificateNames } from '../../../server/auth/certificates.ts';
import { needTool } from '../../clients/require.ts';
import { Authority, type LeafOptions, type Pair } from './authority.ts';
import { ask, serveTls, tempFolder, type TestServer } from './rig.ts';

const openssl = needTool('openssl');

describe.skipIf(openssl === undefined)('client certificates', () => {
  const folder = tempFolder();
  let ca: Authority;
  let other: Authority;
  let server: Pair;
  beforeAll(() => {
    ca = new Authority(folder.path, 'one');
    other = new Authority(folder.path, 'two');
    server = ca.server();
  });
  afterAll(() => {
    folder.remove();
  });

  /** Answers with what `certificateNames` says. */
  async function start(clock: () => number = Date.now): Promise<TestServer> {
    let names: ReturnType<typeof createCertificateNames> | undefined;
    return serveTls(
      { cert: server.certFile, key: server.keyFile, clientCa: ca.certFile },
      (x, tls) => {
        names ??= createCertificateNames({ tls, clock });
        x.res.end(JSON.stringify(names(x)));
      },
    );
  }

  async function namesOf(client: Pair | undefined, clock?: () => number): Promise<unknown> {
    const { url } = await start(clock);
    return JSON.parse((await ask(url, { ca: ca.cert, client })).text);
  }

  async function leafNames(name: string, options: LeafOptions): Promise<unknown> {
    return namesOf(ca.leaf(name, options));
  }

  it('gives URIs, DNS names and the common name, in this order', async () => {
    const san = 'DNS:Edge.Example,URI:https://a.example/b,URI:urn:dev:1,IP:10.0.0.1';
    expect(await leafNames('all', { san })).toEqual([
      ...['uri:https://a.example/b', 'uri:urn:dev:1', 'dns:edge.example', 'cn:all'],
    ]);
  });

  it('is not led astray by names that look like several', async () => {
    const subject = '/O=x/CN=ci, URI:spiffe:\\/\\/td\\/admin';
    const names = await leafNames('tricky', { subject, san: 'URI:urn:a, DNS:plain' });
    expect(names).toEqual(['uri:urn:a', 'dns:plain', 'cn:ci, URI:spiffe://td/admin']);
    const quoted = await leafNames('quoted', { san: 'email:"DNS:evil.example"@x' });
    expect(quoted).toEqual(['cn:quoted']);
  });

  it('gives none when no certificate is shown, nor on a resumed session without one', async () => {
    expect(await namesOf(undefined)).toEqual([]);
    const { url } = await start();
    const { port } = new URL(url);
    const once = (session?: Buffer): Promise<{ text: string; session: Buffer | undefined }> =>
      new Promise((resolve, reject) => {
        let text = '';
        let kept: Buffer | undefined;
        const socket = connect({ port: Number(port), host: '127.0.0.1', ca: ca.cert, session });
        socket.on('session', (bytes) => (kept = bytes));
        socket.on('data', (part: Buffer) => (text += part.toString()));
        socket.on('error', reject).on('close', () => {
          resolve({ text: text.split('\r\n\r\n')[1] ?? '', session: kept });
        });
        socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      });
    const first = await once();
    expect(first.text).toBe('[]');
    expect((await once(first.session)).text).toBe('[]');
  });

  it('takes a SPIFFE ID that follows the rules, with a name that it leads to alone', async () => {
    const san = 'URI:spiffe://fleet.example/region/eu/device-7';
    expect(await leafNames('svid', { san, subject: '/O=SPIRE' })).toEqual([
      'uri:spiffe://fleet.example/region/eu/device-7',
    ]);
  });

  it.each([
    ['two URIs', 'URI:spiffe://td/a,URI:urn:b', [], /exactly one URI/],
    ['no path', 'URI:spiffe://td', [], /TRUST-DOMAIN/],
    ['a root path', 'URI:spiffe://td/', [], /TRUST-DOMAIN/],
    ['dots in the path', 'URI:spiffe://td/a/../b', [], /TRUST-DOMAIN/],
    ['a port', 'URI:spiffe://td:1/a', [], /TRUST-DOMAIN/],
    ['a query', 'URI:spiffe://td/a?b', [], /TRUST-DOMAIN/],
    ['a scheme in capitals', 'URI:SPIFFE://td/a', [], /TRUST-DOMAIN/],
    ['an authority', 'URI:spiffe://td/a', ['basicConstraints=CA:TRUE'], /authority/],
    [
      'keyCertSign',
      'URI:spiffe://td/a',
      ['basicConstraints=CA:FALSE', 'keyUsage=digitalSignature,keyCertSign'],
      /may not sign/,
    ],
    [
      'cRLSign',
      'URI:spiffe://td/a',
      ['basicConstraints=CA:FALSE', 'keyUsage=digitalSignature,cRLSign'],
      /may not sign/,
    ],
  ])('refuses a SPIFFE certificate with %s', async (what, san, extensions, reason) => {
    const names = await leafNames(`s${what.replaceAll(' ', '-')}`, { san, extensions });
    expect(names).toEqual({ refused: expect.stringMatching(reason) as string });
  });

  it('takes digitalSignature alone, which the extended usage would hide in Node', async () => {
    const extensions = ['keyUsage=digitalSignature', 'extendedKeyUsage=clientAuth'];
    const names = await leafNames('usage', { san: 'URI:spiffe://td/a', extensions });
    expect(names).toEqual(['uri:spiffe://td/a', 'cn:usage']);
  });

  it('says why a certificate does not count', async () => {
    const said = (reason: RegExp) => ({ refused: expect.stringMatching(reason) as string });
    expect(await namesOf(other.leaf('stranger'))).toEqual(said(/no authority .* has signed it/));
    expect(await namesOf(ca.leaf('old', { days: -1 }))).toEqual(said(/has expired/));
    const extensions = ['extendedKeyUsage=serverAuth'];
    expect(await leafNames('purpose', { extensions })).toEqual(said(/extended key usage/));
    const early = await namesOf(ca.leaf('early'), () => Date.now() - 30 * 86_400_000);
    expect(early).toEqual(said(/not valid yet/));
  });

  it('asks for the time with every request of a kept-alive connection', async () => {
    let now = Date.now();
    const { url } = await start(() => now);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const client = ca.leaf('short', { days: 2 });
    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    const names = async (): Promise<unknown> =>
      JSON.parse((await ask(url, { ca: ca.cert, client, agent })).text);
    expect(await names()).toEqual(['cn:short']);
    now += 3 * 86_400_000;
    expect(await names()).toEqual({ refused: expect.stringMatching(/has expired/) as string });
    expect(sockets.size).toBe(1);
    agent.destroy();
  });

  it('ends with an authority that expires before the certificate', async () => {
    // The authority is valid for 10 days.
    const client = ca.leaf('long', { days: 20 });
    expect(await namesOf(client)).toEqual(['cn:long']);
    const later = await namesOf(client, () => Date.now() + 12 * 86_400_000);
    expect(later).toEqual({ refused: expect.stringMatching(/has expired/) as string });
  });

  it('reads what OpenSSL wrote, and never fails otherwise than with a RangeError', () => {
    const { cert } = ca.leaf('fuzz', { san: 'URI:urn:a,DNS:b', extensions: ['keyUsage=cRLSign'] });
    const der = Buffer.from(cert.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    expect(readCertificate(der)).toMatchObject({
      uris: ['urn:a'],
      dnsNames: ['b'],
      commonNames: ['fuzz'],
      maySign: true,
      isAuthority: false,
    });
    const place = fc.tuple(fc.nat(der.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(place, { minLength: 1, maxLength: 4 }),
        fc.nat(der.length),
        (at, cut) => {
          const spoilt = Buffer.from(der.subarray(0, der.length - (cut % 50)));
          for (const [index, value] of at) if (index < spoilt.length) spoilt[index] = value;
          try {
            const { notAfterMs, notBeforeMs } = readCertificate(spoilt);
            expect(Number.isFinite(notAfterMs) && Number.isFinite(notBeforeMs)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
