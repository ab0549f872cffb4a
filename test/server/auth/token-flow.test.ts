import { request } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { loadContract, type Contract } from '../../../server/http/validate.ts';
import { startLiveOrigin, type LiveOrigin } from '../live-servers.ts';

interface Granted {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly scope: string;
}

/** Without surrogates that stand alone. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

describe('the registry token flow', () => {
  let dir = '';
  let contract: Contract;
  let origin: LiveOrigin;
  let ci: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-flow-'));
    contract = await loadContract();
    const access = { anonymous: ['pull:open/**'] };
    origin = await startLiveOrigin(dir, { access });
    ci = await origin.makeToken('ci', ['push:team/**', 'pull:library/*']);
  });
  afterAll(async () => {
    await origin.close();
    await rm(dir, { recursive: true, force: true });
  });

  const basic = (secret: string) => ({
    authorization: `Basic ${Buffer.from(`any:${secret}`).toString('base64')}`,
  });
  async function tokenFor(scopes: readonly string[], secret?: string): Promise<Granted> {
    const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]));
    const headers = secret === undefined ? {} : basic(secret);
    const answer = await fetch(`${origin.url}/v1/token?service=x&${query.toString()}`, { headers });
    expect(answer.status).toBe(200);
    const body: unknown = await answer.json();
    expect(contract.faults('RegistryToken', body)).toEqual([]);
    return body as Granted;
  }
  function use(token: string, path: string, method = 'GET'): Promise<Response> {
    return fetch(origin.url + path, { method, headers: { authorization: `Bearer ${token}` } });
  }
  const postForm = (form: Record<string, string> | string, headers = {}) =>
    fetch(`${origin.url}/v1/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    });

  it('issues tokens for what of the asked scopes is granted', async () => {
    const asked = [
      'repository:team/a:pull,push,delete repository:open/x:pull,push',
      'repository:library/l:*',
    ];
    const granted = await tokenFor([...asked, 'repository:other/o:pull'], ci);
    expect(granted.scope).toBe(
      'repository:team/a:pull,push repository:open/x:pull repository:library/l:pull',
    );
    expect(granted.access_token).toBe(granted.token);
    expect(granted.expires_in).toBe(300);
    expect(Math.abs(Date.parse(granted.issued_at) - Date.now())).toBeLessThan(60_000);
    expect(granted.token).not.toContain(ci);
    expect(decodeJwt(granted.token).sub).toBe('token:ci');
    // Granted, but the repository is not there.
    expect((await use(granted.token, '/v2/team/a/tags/list')).status).toBe(404);
    expect((await use(granted.token, '/v2/team/a/blobs/uploads/', 'POST')).status).toBe(202);
    expect((await use(granted.token, '/v2/')).status).toBe(200);
  });

  it('tells 401 with the scope where a new token could do it, 403 where none could', async () => {
    const { token } = await tokenFor(['repository:team/a:pull'], ci);
    const more = await use(token, '/v2/team/a/blobs/uploads/', 'POST');
    expect(more.status).toBe(401);
    expect(more.headers.get('www-authenticate')).toBe(
      `Bearer realm="${origin.url}/v1/token",service="${new URL(origin.url).host}",` +
        'scope="repository:team/a:pull,push",error="insufficient_scope"',
    );
    expect((await use(token, '/v2/library/l/tags/list')).status).toBe(401);
    expect((await use(token, '/v2/_catalog')).status).toBe(401);
    const never = await use(token, '/v2/team/a/manifests/v1', 'DELETE');
    expect(never.status).toBe(403);
    expect(((await never.json()) as { errors: { code: string }[] }).errors[0]?.code).toBe('DENIED');
    // What anybody may do needs no scope.
    expect((await use(token, '/v2/open/x/tags/list')).status).toBe(404);
    const catalog = await tokenFor(['registry:catalog:*'], ci);
    expect((await use(catalog.token, '/v2/_catalog')).status).toBe(200);
    // It is for the registry: elsewhere, the secret itself is shown.
    const reader = await origin.makeToken('flow-reader', ['pull:**']);
    const narrow = await tokenFor(['repository:a:pull'], reader);
    expect((await use(narrow.token, '/v1/status')).status).toBe(403);
    expect((await use(reader, '/v1/status')).status).toBe(200);
  });

  it('lets nobody have what nobody may do', async () => {
    const { token, scope } = await tokenFor(['repository:open/x:pull,push repository:team/a:pull']);
    expect(scope).toBe('repository:open/x:pull');
    expect((await use(token, '/v2/')).status).toBe(200);
    expect((await use(token, '/v2/open/x/tags/list')).status).toBe(404);
    const refused = await use(token, '/v2/team/a/tags/list');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  it('tells who asked without a token which scope is needed', async () => {
    for (const [method, path, scope] of [
      ['GET', '/v2/team/a/tags/list', 'repository:team/a:pull'],
      ['HEAD', '/v2/team/a/manifests/v1', 'repository:team/a:pull'],
      ['PUT', '/v2/team/a/manifests/v1', 'repository:team/a:pull,push'],
      ['DELETE', '/v2/team/a/manifests/v1', 'repository:team/a:delete'],
      ['DELETE', `/v2/team/a/blobs/uploads/${'0'.repeat(32)}`, 'repository:team/a:pull,push'],
    ] as const) {
      const answer = await fetch(origin.url + path, { method });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get('www-authenticate')).toContain(`scope="${scope}"`);
    }
  });

  it('refuses wrong credentials in the registry form', async () => {
    const { token } = await tokenFor([], ci);
    for (const headers of [
      basic('rvt_wrong'),
      basic(''),
      { authorization: 'Bearer rvt_wrong' },
      { authorization: 'Negotiate x' },
      { authorization: `Bearer ${token}` },
    ]) {
      const answer = await fetch(`${origin.url}/v1/token`, { headers });
      expect(answer.status).toBe(401);
      expect(contract.faults('RegistryErrors', await answer.json())).toEqual([]);
    }
    const form = await postForm({ grant_type: 'password', username: 'x', password: 'rvt_wrong' });
    expect(form.status).toBe(401);
  });

  it('takes the form of an OAuth2 password grant', async () => {
    const scope = 'repository:team/a:pull,push repository:other/o:pull';
    const answer = await postForm({ grant_type: 'password', username: 'x', password: ci, scope });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(((await answer.json()) as Granted).scope).toBe('repository:team/a:pull,push');
    expect((await postForm({ grant_type: 'password', scope }, basic(ci))).status).toBe(200);
  });

  it.each([
    [
      'refresh_token',
      { grant_type: 'refresh_token', refresh_token: 'x' },
      'unsupported_grant_type',
    ],
    ['no grant type', { username: 'x' }, 'invalid_request'],
    ['two grant types', 'grant_type=password&grant_type=password', 'invalid_request'],
    ['bytes that are no form', '%%%&&&=\u0000', 'invalid_request'],
  ])('refuses a form with %s as OAuth2 has it', async (_what, form, error) => {
    const answer = await postForm(form);
    expect(answer.status).toBe(400);
    const body: unknown = await answer.json();
    expect(contract.faults('OAuthError', body)).toEqual([]);
    expect(body).toMatchObject({ error });
  });

  it('refuses other methods, types and sizes', async () => {
    const put = await fetch(`${origin.url}/v1/token`, { method: 'PUT' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect((await postForm('{}', { 'content-type': 'application/json' })).status).toBe(415);
    expect((await postForm(`scope=${'x'.repeat(70_000)}`)).status).toBe(413);
  });

  it('answers whatever is asked for', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom('repository:a:pull', 'repository:::', 'registry:catalog:*', '%', '%zz'),
    );
    await fc.assert(
      fc.asyncProperty(text, text, fc.boolean(), async (name, value, isRaw) => {
        const query = isRaw
          ? `scope=${encodeURI(wellFormed(value))}&${encodeURI(wellFormed(name))}`
          : new URLSearchParams([
              ['scope', value],
              [name, value],
            ]).toString();
        const answer = await fetch(`${origin.url}/v1/token?${query}`);
        expect(answer.status).toBe(200);
        await answer.arrayBuffer();
      }),
      { numRuns: 100 },
    );
  });

  it('ends with the secret behind it, and with what it grants', async () => {
    const secret = await origin.makeToken('short', ['push:team/**']);
    const { token } = await tokenFor(['repository:team/a:pull,push'], secret);
    expect((await use(token, '/v2/team/a/tags/list')).status).toBe(404);
    await origin.store.catalog.tokens.revoke('short');
    const refused = await use(token, '/v2/team/a/tags/list');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"');
    // Another token of that name does not bring it back.
    await origin.makeToken('short', ['push:team/**']);
    expect((await use(token, '/v2/team/a/tags/list')).status).toBe(401);
  });

  describe('says where to log in', () => {
    /** A `/v2/` with that Host, which `fetch` would not send. */
    const challengeFor = (url: string, host: string) =>
      new Promise<{ status: number; challenge: string }>((resolve, reject) => {
        const { hostname, port } = new URL(url);
        const req = request({ hostname, port, path: '/v2/', headers: { host } }, (res) => {
          res.resume();
          const challenge = res.headers['www-authenticate'] ?? '';
          resolve({ status: res.statusCode ?? 0, challenge });
        });
        req.on('error', reject).end();
      });

    it.each([
      ['registry.example', 'http://registry.example/v1/token', 'registry.example'],
      ['my_host:8480', 'http://my_host:8480/v1/token', 'my_host:8480'],
      ['[::1]:8480', 'http://[::1]:8480/v1/token', '[::1]:8480'],
    ])('to Host %s', async (host, realm, service) => {
      const { status, challenge } = await challengeFor(origin.url, host);
      expect(status).toBe(401);
      expect(challenge).toBe(`Bearer realm="${realm}",service="${service}"`);
    });

    it.each(['a"b', 'a,b', 'a b', 'user@host', '[::1', '[::zz]', 'a:999999', '256.256.256.256'])(
      'to nobody for Host %j',
      async (host) => {
        const { status, challenge } = await challengeFor(origin.url, host);
        expect({ status, challenge }).toEqual({ status: 400, challenge: '' });
      },
    );

    it('under the public URL, whatever the Host', async () => {
      const publicUrl = 'https://hub.example:8443/registry/';
      const settings = { access: {}, publicUrl, data: join(dir, 'public') };
      const server = await startLiveOrigin(dir, settings);
      onTestFinished(server.close);
      const { challenge } = await challengeFor(server.url, 'other.example');
      expect(challenge).toBe(
        'Bearer realm="https://hub.example:8443/registry/v1/token",service="hub.example:8443"',
      );
      const broken = startLiveOrigin(dir, { ...settings, publicUrl: 'http://' });
      await expect(broken).rejects.toMatchObject({ code: 'config' });
    });
  });
});
