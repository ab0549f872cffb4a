import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import { mintSecret, secretDigest } from '../../../server/auth/tokens.ts';
import { digestOf } from '../../../storage/digest.ts';
import { startLiveOrigin, type LiveOrigin } from '../live-servers.ts';
import { sampleAsk } from '../updates/sample.ts';

const BLOB = Buffer.from('a blob of a closed repository');
const DIGEST = digestOf(BLOB);

interface AskOptions {
  readonly method?: string;
  readonly secret?: string | undefined;
  readonly authorization?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

describe('an origin with access rules', () => {
  let dir = '';
  let origin: LiveOrigin;
  /** A second process, as far as the catalog can tell. */
  let other: LiveOrigin;
  let ci: string;
  let admin: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-access-'));
    const access = { anonymous: ['pull:open/**'], 'token:ci': ['pull:rules/*'] };
    origin = await startLiveOrigin(dir, { access });
    other = await startLiveOrigin(dir, { access });
    ci = await origin.makeToken('ci', ['push:closed/app', 'push:open/app']);
    admin = await origin.makeToken('admin', ['admin:**']);
    for (const repo of ['closed/app', 'open/app', 'rules/app', 'other/app']) {
      const path = `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`;
      expect((await ask(path, { method: 'POST', secret: admin, body: BLOB })).status).toBe(201);
    }
  });
  afterAll(async () => {
    await other.close();
    await origin.close();
    await rm(dir, { recursive: true, force: true });
  });

  function ask(path: string, options: AskOptions = {}, server = origin): Promise<Response> {
    const { method = 'GET', secret, body, headers } = options;
    const authorization =
      options.authorization ?? (secret === undefined ? undefined : `Bearer ${secret}`);
    return fetch(server.url + path, {
      method,
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
      ...(body !== undefined && { body: new Uint8Array(Buffer.from(body)) }),
    });
  }
  const status = async (path: string, options?: AskOptions, server?: LiveOrigin) =>
    (await ask(path, options, server)).status;
  const blobOf = (repo: string): string => `/v2/${repo}/blobs/${DIGEST}`;
  const basic = (name: string, password: string): string =>
    `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

  it('lets everyone read what is open, and only that', async () => {
    expect(await status(blobOf('open/app'))).toBe(200);
    expect(await status(blobOf('closed/app'))).toBe(401);
    expect(await status(blobOf('absent/app'))).toBe(401);
    expect(await status('/v2/open/app/blobs/uploads/', { method: 'POST' })).toBe(401);
    for (const path of ['/livez', '/readyz', '/openapi.yaml']) {
      expect([path, await status(path)]).toEqual([path, 200]);
    }
  });

  it('grants by the token and by the rules for it, and what everyone has', async () => {
    for (const repo of ['closed/app', 'rules/app', 'open/app']) {
      expect([repo, await status(blobOf(repo), { secret: ci })]).toEqual([repo, 200]);
    }
    expect(await status(blobOf('other/app'), { secret: ci })).toBe(403);
    const start = (repo: string) =>
      status(`/v2/${repo}/blobs/uploads/`, { method: 'POST', secret: ci });
    expect(await start('closed/app')).toBe(202);
    expect(await start('rules/app')).toBe(403);
    const remove = await status(blobOf('closed/app'), { method: 'DELETE', secret: ci });
    expect(remove).toBe(403);
  });

  it('never answers /v2/ without credentials, so that clients learn where to log in', async () => {
    const answer = await ask('/v2/');
    expect(answer.status).toBe(401);
    const { host } = new URL(origin.url);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="${origin.url}/v1/token",service="${host}"`,
    );
    expect(await status('/v2/', { secret: ci })).toBe(200);
  });

  it.each([
    ['the secret under any name', () => basic('anyone', ci), 200],
    ['lower case', () => `bearer ${ci}`, 200],
    ['a wrong secret', () => basic('ci', `${ci}x`), 401],
    ['a wrong bearer token', () => 'Bearer rvt_wrong', 401],
    ['no token at all', () => 'Bearer', 401],
    ['a name without a password', () => basic('ci', ''), 401],
    ['no colon', () => 'Basic Y2k=', 401],
    ['another scheme', () => 'Digest username="ci"', 401],
    ['the digest of the secret', () => `Bearer ${secretDigest(ci)}`, 401],
    // containers/image sends this when it has none.
    ['neither name nor password', () => basic('', ''), 200],
  ])('%s, where anyone may read', async (_what, authorization, expected) => {
    const given = { authorization: authorization() };
    expect(await status(blobOf('open/app'), given)).toBe(expected);
  });

  it('reads by digest, lists and counts only for who may read everything', async () => {
    const all = await origin.makeToken('reader', ['pull:**']);
    const paths = [`/v1/blobs/${DIGEST}`, '/v1/deltas', '/v1/releases', '/v1/devices'];
    for (const path of [...paths, '/v1/status', '/metrics', '/v1/Devices', '/Metrics']) {
      const got = [await status(path), await status(path, { secret: ci })];
      expect([path, ...got]).toEqual([path, 401, 403]);
      expect([path, await status(path, { secret: all })]).toEqual([path, 200]);
    }
    const answer = await ask('/v1/status');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });

  it('manages tokens only for who may run the server', async () => {
    const reader = await origin.makeToken('writer', ['push:**', 'delete:**', 'admin:edge/**']);
    for (const path of ['/v1/tokens', '/V1/Tokens', '/v1/tokens/']) {
      const got = [await status(path), await status(path, { secret: reader })];
      expect([path, ...got]).toEqual([path, 401, 403]);
    }
    const body = JSON.stringify({ name: 'mine', grants: ['admin:**'] });
    const headers = { 'content-type': 'application/json' };
    const made = await status('/v1/tokens', { method: 'POST', secret: reader, body, headers });
    expect(made).toBe(403);
    expect(await status('/v1/tokens/ci', { method: 'DELETE', secret: reader })).toBe(403);
    expect(await status('/v1/tokens', { secret: admin })).toBe(200);
  });

  it('answers checks and takes reports of products that the caller may read', async () => {
    const device = await origin.makeToken('device', ['pull:demo/*']);
    const bare = mintSecret();
    await origin.store.catalog.tokens.create(secretDigest(bare), { name: 'bare', grants: [] });
    const headers = { 'content-type': 'application/json', [DEVICE_HEADER]: 'device-1' };
    const check = (secret: string | undefined, product: string) => {
      const body = JSON.stringify({ ...sampleAsk('v1'), product });
      return status('/v1/check', { method: 'POST', headers, body, secret });
    };
    expect(await check(device, 'demo/app')).toBe(204);
    expect(await check(undefined, 'open/app')).toBe(204);
    expect(await check(device, 'closed/app')).toBe(403);
    expect(await check(undefined, 'demo/app')).toBe(401);
    const report = (product: string) => {
      const decision = { product, channel: 'stable', platform: 'linux/amd64', to: DIGEST };
      const events = [{ seq: 1, type: 'healthy', atMs: 1 }];
      const body = JSON.stringify({ decision: { ...decision, from: DIGEST }, events });
      const path = `/v1/decisions/${'0'.repeat(32)}/events`;
      return status(path, { method: 'POST', headers, body, secret: device });
    };
    expect(await report('closed/app')).toBe(403);
    expect(await report('demo/app')).not.toBe(403);
  });

  it('lists the repositories that the caller may pull, page by page', async () => {
    const list = async (path: string, secret?: string) => {
      const answer = await ask(path, { secret });
      expect(answer.status).toBe(200);
      const { repositories } = (await answer.json()) as { repositories: string[] };
      return { repositories, link: answer.headers.get('link') };
    };
    expect((await list('/v2/_catalog')).repositories).toEqual(['open/app']);
    const first = await list('/v2/_catalog?n=2', ci);
    expect(first.repositories).toEqual(['closed/app', 'open/app']);
    const next = /^<([^>]+)>/.exec(first.link ?? '')?.[1] ?? '';
    expect(await list(next, ci)).toEqual({ repositories: ['rules/app'], link: null });
    expect((await list('/v2/_catalog', admin)).repositories).toContain('other/app');
  });

  it('does not let a mount read what its caller may not', async () => {
    const narrow = await origin.makeToken('narrow', ['push:mine/*']);
    const mount = (repo: string, query: string, secret: string) =>
      status(`/v2/${repo}/blobs/uploads/?mount=${DIGEST}${query}`, { method: 'POST', secret });
    // As if the blob were not there: a session to push it with.
    for (const query of ['&from=closed/app', '&from=../closed/app', '']) {
      expect([query, await mount('mine/app', query, narrow)]).toEqual([query, 202]);
    }
    expect(await status(blobOf('mine/app'), { secret: narrow })).toBe(404);
    expect(await mount('mine/app', '&from=open/app', narrow)).toBe(201);
    expect(await mount('mine/any', '', admin)).toBe(201);
  });

  it('counts an upload as a push in all its requests', async () => {
    const reader = await origin.makeToken('uploads', ['pull:closed/**', 'delete:closed/**']);
    const path = '/v2/closed/app/blobs/uploads/';
    const started = await ask(path, { method: 'POST', secret: ci });
    const session = started.headers.get('location') ?? '';
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      expect([method, await status(session, { method, secret: reader })]).toEqual([method, 403]);
    }
    expect(await status(session, { method: 'DELETE', secret: ci })).toBe(204);
  });

  it('refuses a name that is none before it looks for grants', async () => {
    for (const name of ['open/..%2fclosed/app', 'open/%22quoted', 'open/a%09x', 'Open/App']) {
      const answer = await ask(`/v2/${name}/tags/list`);
      expect([name, answer.status]).toEqual([name, 400]);
    }
  });

  it('forgets a revoked token at once, in every process, and an expired one', async () => {
    const secret = await origin.makeToken('gone', ['pull:closed/**']);
    for (const server of [origin, other]) {
      expect(await status(blobOf('closed/app'), { secret }, server)).toBe(200);
    }
    await other.store.catalog.tokens.revoke('gone');
    for (const server of [origin, other]) {
      expect(await status(blobOf('closed/app'), { secret }, server)).toBe(401);
    }
    const old = mintSecret();
    const grants = ['pull:**'];
    await origin.store.catalog.tokens.create(secretDigest(old), {
      ...{ name: 'old', grants, expiresMs: Date.now() - 1 },
    });
    expect(await status(blobOf('open/app'), { secret: old })).toBe(401);
  });

  it('keeps secrets out of its log', async () => {
    await status(blobOf('other/app'), { secret: ci });
    await status(blobOf('other/app'), { authorization: basic('ci', ci) });
    await status('/v2/', { secret: 'rvt_wrong' });
    const log = JSON.stringify(origin.log.lines);
    for (const secret of [ci, admin, 'rvt_', basic('ci', ci)]) expect(log).not.toContain(secret);
    expect(log).toContain('credentials do not count');
  });
});
