import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createCertificateNames } from '../../../server/auth/certificates.ts';
import type { TlsConfig } from '../../../server/config.ts';
import { openTls } from '../../../server/http/tls.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { createMetrics } from '../../../server/observe/metrics.ts';
import { needTool } from '../../clients/require.ts';
import { Authority, type Pair } from './authority.ts';
import { ask, readableLogger, serveTls, tempFolder } from './rig.ts';

const openssl = needTool('openssl');
const logger = createLogger('silent');
const QUICK = { pollMs: 20 };

describe.skipIf(openssl === undefined)('TLS from files', () => {
  const folder = tempFolder();
  let ca: Authority;
  let other: Authority;
  let first: Pair;
  let second: Pair;
  let clientOfOne: Pair;
  let clientOfOther: Pair;
  beforeAll(() => {
    ca = new Authority(folder.path, 'one');
    other = new Authority(folder.path, 'two');
    first = ca.server('first');
    second = ca.server('second');
    clientOfOne = ca.leaf('client');
    clientOfOther = other.leaf('client');
  });
  afterAll(() => {
    folder.remove();
  });

  let counter = 0;
  /** Files of the test's own, to be changed. */
  function files(pair: Pair, clientCa?: Authority): TlsConfig & { readonly clientCa?: string } {
    counter += 1;
    const dir = join(folder.path, `files-${counter}`);
    mkdirSync(dir);
    const config = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key') };
    put(config, pair);
    if (clientCa === undefined) return config;
    copyFileSync(clientCa.certFile, join(dir, 'ca.crt'));
    return { ...config, clientCa: join(dir, 'ca.crt') };
  }

  function put(config: TlsConfig, pair: Pair): void {
    for (const [from, to] of [
      [pair.certFile, config.cert],
      [pair.keyFile, config.key],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
  }

  /** The subject of the certificate that a new connection meets, and the protocol. */
  function meet(url: string): Promise<{ readonly name: string; readonly protocol: string }> {
    return new Promise((resolve, reject) => {
      const { port } = new URL(url);
      const socket = connect({ port: Number(port), host: '127.0.0.1', ca: ca.cert }, () => {
        const { subject } = socket.getPeerCertificate();
        resolve({ name: String(subject.CN), protocol: socket.getProtocol() ?? '' });
        socket.destroy();
      });
      socket.on('error', reject);
    });
  }

  it('answers over TLS 1.2 and up, as HTTP/1.1', async () => {
    const { url } = await serveTls(files(first), (x) => x.res.end('hello'));
    expect((await ask(url, { ca: ca.cert })).text).toBe('hello');
    expect((await meet(url)).protocol).toBe('TLSv1.3');
    const { port } = new URL(url);
    const told = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect({ port: Number(port), host: '127.0.0.1', ca: ca.cert, ...options });
        socket.on('error', () => {
          resolve('refused');
        });
        socket.on('secureConnect', () => {
          resolve(String(socket.alpnProtocol));
          socket.destroy();
        });
      });
    expect(await told({ ALPNProtocols: ['h2', 'http/1.1'] })).toBe('http/1.1');
    expect(
      await told({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }),
    ).toBe('refused');
  });

  it.each([
    ['a missing file', 'cert', undefined, /tls\.cert .*no such file/],
    ['a missing key', 'key', undefined, /tls\.key .*no such file/],
    ['text that is no PEM', 'cert', 'hello', /tls\.cert .*no certificate in PEM form/],
    ['a key that is none', 'key', 'hello', /tls\.key .*no private key in PEM form/],
    [
      'a certificate that is cut off',
      'cert',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      /certificate 1 of 1 cannot be read/,
    ],
    ['an encrypted key', 'key', '-----BEGIN ENCRYPTED PRIVATE KEY-----', /is encrypted/],
    ['an authority that is none', 'clientCa', '', /tls\.clientCa .*no certificate/],
  ] as const)('names %s', async (_what, which, text, reason) => {
    const config = { ...files(first, ca) };
    const path = config[which] ?? '';
    if (text === undefined) renameSync(path, `${path}.away`);
    else writeFileSync(path, text);
    const error = await openTls(config, { logger }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'config',
      message: expect.stringMatching(reason) as string,
    });
    expect(String(error)).toContain(path);
  });

  it('names a key that belongs to another certificate', async () => {
    const config = { ...files(first), key: second.keyFile };
    await expect(openTls(config, { logger })).rejects.toThrow(/is not the key of the certificate/);
  });

  it('warns of an expired certificate and serves it', async () => {
    const { logger: warned, text } = readableLogger();
    const config = files(ca.leaf('expired', { days: -1 }));
    const tls = await openTls(config, { logger: warned });
    expect(text()).toContain('has expired');
    expect(tls.notAfterMs).toBeLessThan(Date.now());
  });

  it('tells when the certificate runs out as a metric, and nothing without TLS', async () => {
    const metrics = createMetrics();
    const line = /^rivulet_tls_cert_expiry_timestamp_seconds (\d+)$/m;
    expect(await metrics.registry.metrics()).not.toMatch(line);
    const tls = await openTls(files(first), { logger, metrics });
    const [, value] = line.exec(await metrics.registry.metrics()) ?? [];
    expect(Number(value) * 1000).toBe(tls.notAfterMs);
  });

  it('takes up new files while a large download runs on', async () => {
    const config = files(first);
    const size = 64 * 1024 * 1024;
    const part = Buffer.alloc(1024 * 1024, 'x');
    const gate: { open?: () => void } = {};
    const opened = new Promise<void>((resolve) => (gate.open = resolve));
    const { url, tls } = await serveTls(
      config,
      (x) => {
        if (x.path === '/small') {
          x.res.end('small');
          return;
        }
        x.res.writeHead(200, { 'Content-Length': size });
        void (async () => {
          for (let sent = 0; sent < size; sent += part.length) {
            if (sent === size / 2) await opened;
            x.res.write(part);
            await sleep(0);
          }
          x.res.end();
        })();
      },
      QUICK,
    );
    let came = 0;
    const download = ask(url, { ca: ca.cert, onPart: (bytes) => (came += bytes) });
    await expect.poll(() => came).toBeGreaterThan(1024 * 1024);
    expect((await meet(url)).name).toBe('first');
    const before = tls.notAfterMs;
    put(config, second);
    await expect.poll(async () => (await meet(url)).name).toBe('second');
    expect(tls.notAfterMs).toBeGreaterThanOrEqual(before);
    gate.open?.();
    expect((await download).text.length).toBe(size);
  });

  it('follows a folder that is swapped behind a link', async () => {
    const dir = join(folder.path, 'mounted');
    for (const [version, pair] of [
      ['v1', first],
      ['v2', second],
    ] as const) {
      mkdirSync(join(dir, version), { recursive: true });
      copyFileSync(pair.certFile, join(dir, version, 'tls.crt'));
      copyFileSync(pair.keyFile, join(dir, version, 'tls.key'));
    }
    symlinkSync('v1', join(dir, '..data'));
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(dir, name));
    const config = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key') };
    const { url } = await serveTls(config, (x) => x.res.end(), QUICK);
    expect((await meet(url)).name).toBe('first');
    symlinkSync('v2', join(dir, '..data_tmp'));
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
    await expect.poll(async () => (await meet(url)).name).toBe('second');
  });

  it('keeps the old pair while the new one is broken, says so once, and takes a mended one', async () => {
    const config = files(first);
    const { logger: told, text } = readableLogger();
    const { url } = await serveTls(config, (x) => x.res.end(), { ...QUICK, logger: told });
    copyFileSync(second.certFile, config.cert);
    await expect.poll(text).toContain('is not the key of the certificate');
    await sleep(100);
    expect(text().match(/the old ones stay/g)).toHaveLength(1);
    expect((await meet(url)).name).toBe('first');
    copyFileSync(second.keyFile, config.key);
    await expect.poll(async () => (await meet(url)).name).toBe('second');
    expect(text()).toContain('were read again');
  });

  describe('when the authorities of clients change', () => {
    async function start(config: TlsConfig) {
      let names: ReturnType<typeof createCertificateNames> | undefined;
      const held: (() => void)[] = [];
      const started = await serveTls(
        config,
        (x, tls) => {
          names ??= createCertificateNames({ tls, clock: Date.now });
          const text = JSON.stringify(names(x));
          if (x.path !== '/slow') {
            x.res.end(text);
            return;
          }
          x.res.write(' ');
          held.push(() => x.res.end(text));
        },
        QUICK,
      );
      const swap = async (authority: Authority): Promise<void> => {
        copyFileSync(authority.certFile, config.clientCa ?? '');
        await expect
          .poll(async () => (await ask(started.url, { ca: ca.cert, client: clientOfOther })).text)
          .toBe('["cn:client"]');
      };
      return { ...started, held, swap };
    }

    it('refuses a certificate of the removed one, with a resumed session as well', async () => {
      const { url, swap } = await start(files(first, ca));
      const once = (session?: Buffer) =>
        new Promise<{ text: string; session: Buffer | undefined; reused: boolean }>(
          (resolve, reject) => {
            let text = '';
            let kept: Buffer | undefined;
            const { port } = new URL(url);
            const { cert, key } = clientOfOne;
            const options = { port: Number(port), host: '127.0.0.1', ca: ca.cert, cert, key };
            const socket = connect({ ...options, session });
            let reused = false;
            socket.on('secureConnect', () => (reused = socket.isSessionReused()));
            socket.on('session', (bytes) => (kept = bytes));
            socket.on('data', (part: Buffer) => (text += part.toString()));
            socket.on('error', reject).on('close', () => {
              resolve({ text: text.split('\r\n\r\n')[1] ?? '', session: kept, reused });
            });
            socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
          },
        );
      const before = await once();
      expect(before.text).toBe('["cn:client"]');
      expect(await once(before.session)).toMatchObject({ text: '["cn:client"]', reused: true });
      await swap(other);
      const after = await once(before.session);
      expect(after.reused).toBe(false);
      expect(after.text).toMatch(/refused.*no authority/);
    });

    it('lets a running answer end, and the connection with it', async () => {
      const { url, held, swap } = await start(files(first, ca));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const options = { ca: ca.cert, client: clientOfOne, agent };
      let began = 0;
      const slow = ask(`${url}/slow`, { ...options, onPart: (bytes) => (began += bytes) });
      await expect.poll(() => began).toBe(1);
      await swap(other);
      const [socket] = Object.values(agent.sockets).flatMap((list) => list ?? []);
      const closed = new Promise((resolve) => socket?.once('close', resolve));
      held[0]?.();
      expect((await slow).text).toBe(' ["cn:client"]');
      await closed;
      const next = await ask(url, options);
      expect(next.text).toMatch(/refused.*no authority/);
      agent.destroy();
    });

    it('ends idle connections, and leaves busy ones without a certificate alone', async () => {
      const { url, held, swap } = await start(files(first, ca));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const known = { ca: ca.cert, client: clientOfOne, agent };
      expect((await ask(url, known)).text).toBe('["cn:client"]');
      const [socket] = Object.values(agent.freeSockets).flatMap((list) => list ?? []);
      const closed = new Promise((resolve) => socket?.once('close', resolve));
      const plain = new Agent({ keepAlive: true, maxSockets: 1 });
      const anonymous = { ca: ca.cert, agent: plain };
      let began = 0;
      const slow = ask(`${url}/slow`, { ...anonymous, onPart: (bytes) => (began += bytes) });
      await expect.poll(() => began).toBe(1);
      await swap(other);
      await closed;
      held[0]?.();
      expect((await slow).text).toBe(' []');
      const [kept] = Object.values(plain.freeSockets).flatMap((list) => list ?? []);
      expect((await ask(url, anonymous)).text).toBe('[]');
      expect(kept?.destroyed).toBe(false);
      agent.destroy();
      plain.destroy();
    });

    it('does not disturb clients when only the server certificate changes', async () => {
      const config = files(first, ca);
      const { url } = await start(config);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const known = { ca: ca.cert, client: clientOfOne, agent };
      expect((await ask(url, known)).text).toBe('["cn:client"]');
      const [socket] = Object.values(agent.freeSockets).flatMap((list) => list ?? []);
      put(config, second);
      await expect.poll(async () => (await meet(url)).name).toBe('second');
      expect((await ask(url, known)).text).toBe('["cn:client"]');
      expect(socket?.destroyed).toBe(false);
      agent.destroy();
    });

    it('takes a second authority beside the first', async () => {
      const config = files(first, ca);
      const { url } = await start(config);
      expect((await ask(url, { ca: ca.cert, client: clientOfOther })).text).toMatch(/refused/);
      appendFileSync(config.clientCa ?? '', other.cert);
      await expect
        .poll(async () => (await ask(url, { ca: ca.cert, client: clientOfOther })).text)
        .toBe('["cn:client"]');
      expect((await ask(url, { ca: ca.cert, client: clientOfOne })).text).toBe('["cn:client"]');
    });
  });
});
