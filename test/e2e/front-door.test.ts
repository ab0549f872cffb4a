import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { needTool } from '../clients/require.ts';
import { writeSmallRelease } from '../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';
import { Authority } from '../server/tls/authority.ts';
import { ask } from '../server/tls/rig.ts';

const openssl = needTool('openssl');

describe('the front door', () => {
  let dir = '';
  let server: ServerProcess | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-front-'));
  });
  afterEach(async () => {
    await server?.kill();
    server = undefined;
    await rm(dir, { recursive: true, force: true });
  });

  it.each([
    ['serve', ['serve']],
    ['cache', ['cache', '--upstream', 'http://127.0.0.1:1', '--region', 'eu']],
  ])('refuses to %s beyond loopback without access rules, in one line', async (_name, args) => {
    for (const listen of ['0.0.0.0:0', '[::]:0']) {
      const ended = await runRivulet([...args, '--data', join(dir, 'd'), '--listen', listen]);
      expect(ended.code).toBe(2);
      expect(ended.stdout).toBe('');
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
      expect(ended.stderr).toMatch(/^rivulet: without access rules .*access: \{ anonymous: /);
    }
  });

  it('answers beyond loopback with rules, and on IPv6 loopback without', async () => {
    const config = join(dir, 'rules.yaml');
    await writeFile(config, 'access: { anonymous: ["pull:**"] }\n');
    const data = join(dir, 'data');
    server = await startRivulet([
      'serve',
      '--data',
      data,
      '--listen',
      '0.0.0.0:0',
      '--config',
      config,
    ]);
    expect(server.url).toMatch(/^http:\/\/0\.0\.0\.0:\d+$/);
    const { port } = new URL(server.url);
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
    server = await startRivulet(['serve', '--data', data, '--listen', '[::1]:0']);
    expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it.skipIf(openssl === undefined)(
    'speaks TLS, and names what a client without the authority lacks',
    async () => {
      const ca = new Authority(dir, 'one');
      const pair = ca.server();
      const files = ['--tls-cert', pair.certFile, '--tls-key', pair.keyFile];
      const data = join(dir, 'data');
      server = await startRivulet(['serve', '--data', data, '--listen', '127.0.0.1:0', ...files]);
      expect(server.url).toMatch(/^https:/);
      expect((await ask(`${server.url}/livez`, { ca: ca.cert })).status).toBe(200);
      const metrics = await ask(`${server.url}/metrics`, { ca: ca.cert });
      expect(metrics.text).toMatch(/^rivulet_tls_cert_expiry_timestamp_seconds \d{10}$/m);
      await writeSmallRelease(join(dir, 'r1'), 'v', 1);
      const push = ['push', `oci:${join(dir, 'r1')}:v`, 'app:v', '--server', server.url];
      const refused = await runRivulet(push);
      expect(refused.code).toBe(1);
      expect(refused.stderr.trim().split('\n')).toHaveLength(1);
      expect(refused.stderr).toMatch(/no authority known here .*NODE_EXTRA_CA_CERTS/);
      const pushed = await runRivulet(push, { NODE_EXTRA_CA_CERTS: ca.certFile });
      expect({ code: pushed.code, stderr: pushed.stderr }).toEqual({ code: 0, stderr: '' });
    },
  );

  it('names a TLS file that is not there', async () => {
    const files = ['--tls-cert', join(dir, 'none.pem'), '--tls-key', join(dir, 'none.key')];
    const ended = await runRivulet([
      'serve',
      '--data',
      join(dir, 'd'),
      '--listen',
      '127.0.0.1:0',
      ...files,
    ]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(
      /^rivulet: cannot read tls\.cert .*none\.pem: there is no such file/,
    );
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('writes no secret into its log, whatever form it comes in', async () => {
    const data = join(dir, 'data');
    const config = join(dir, 'rules.yaml');
    await writeFile(
      config,
      'access: { anonymous: ["pull:open/**"] }\nlimits: { principal: { perSecond: 0.001, burst: 30 } }\n',
    );
    const made = await runRivulet([
      ...['token', 'create', '--data', data, '--json', '--name', 'ci', '--allow', 'push:**'],
    ]);
    expect(made.stderr).toBe('');
    const secret = /rvt_[A-Za-z0-9_-]+/.exec(made.stdout)?.[0] ?? '';
    expect(secret).not.toBe('');
    server = await startRivulet([
      ...['serve', '--data', data, '--listen', '127.0.0.1:0', '--config', config],
      ...['--log-level', 'trace'],
    ]);
    const { url } = server;
    const basic = (password: string): string =>
      `Basic ${Buffer.from(`user:${password}`).toString('base64')}`;
    const get = async (path: string, authorization?: string, method = 'GET'): Promise<Response> =>
      fetch(`${url}${path}`, {
        method,
        headers: authorization === undefined ? {} : { authorization },
      });
    const wrong = 'rvt_guessed-and-wrong-but-still-secret';
    const scope = '/v1/token?service=x&scope=repository:open/app:pull,push';
    const issued = (await (await get(scope, basic(secret))).json()) as { token: string };
    const form = new URLSearchParams({ grant_type: 'password', username: 'u', password: secret });
    await fetch(`${url}/v1/token`, { method: 'POST', body: form });
    const jwt = issued.token;
    const secrets = [secret, wrong, jwt, `${jwt.slice(0, -4)}aaaa`];
    for (const one of secrets) {
      for (const authorization of [`Bearer ${one}`, basic(one), one, `bearer  ${one}`]) {
        await get('/v2/', authorization);
        await get('/v1/status', authorization);
        await get('/v2/closed/app/blobs/uploads/', authorization, 'POST');
      }
      for (const path of ['/v2/', '/v1/status', '/v1/token', '/nowhere', '/v2/app/manifests/v1']) {
        await get(`${path}?token=${one}&access_token=${one}`);
        await get(`${path}?token=${one}`, undefined, 'PUT');
      }
    }
    // Past the burst: refused for their number.
    for (let count = 0; count < 40; count += 1) await get('/v1/status', `Bearer ${secret}`);
    expect(await server.stop()).toBe(0);
    const log = server.log();
    for (const one of [...secrets, ...secrets.map(basic), jwt.split('.')[2] ?? '']) {
      expect(log).not.toContain(one.replace(/^Basic /, ''));
    }
    for (const [kind, status] of [
      ['write', 202],
      ['refusal', 401],
      ['refusal', 403],
      ['refusal', 429],
    ] as const) {
      expect(log).toMatch(new RegExp(`"audit":"${kind}".*"status":${status},`));
    }
    expect(log).toContain('"principal":"token:ci"');
  });
});
