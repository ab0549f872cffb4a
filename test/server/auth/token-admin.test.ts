import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { addToken } from '../../../server/cli/commands/token.ts';
import { runProgram } from '../../../server/cli/run.ts';
import { loadContract, type Contract } from '../../../server/http/validate.ts';
import { startLiveOrigin, type LiveOrigin } from '../live-servers.ts';

let dir = '';
let contract: Contract;
let origin: LiveOrigin;
let admin: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-tokens-'));
  contract = await loadContract();
  origin = await startLiveOrigin(dir, { access: {} });
  admin = await origin.makeToken('admin', ['admin:**']);
});
afterAll(async () => {
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

const works = async (secret: string): Promise<boolean> => {
  const headers = { authorization: `Bearer ${secret}` };
  return (await fetch(`${origin.url}/v2/`, { headers })).status === 200;
};

describe('/v1/tokens', () => {
  function send(method: string, path: string, body?: unknown): Promise<Response> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return fetch(origin.url + path, {
      method,
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: text }),
    });
  }

  it('makes a token that works at once, tells it once, and revokes it', async () => {
    const ask = { name: 'web', grants: ['push:edge/**'], expiresIn: 3600 };
    const made = await send('POST', '/v1/tokens', ask);
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store']);
    const body = (await made.json()) as { token: string; expiresMs: number };
    expect(contract.faults('CreatedToken', body)).toEqual([]);
    expect(Math.abs(body.expiresMs - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect(await works(body.token)).toBe(true);

    const listed = await send('GET', '/v1/tokens');
    const text = await listed.text();
    expect(contract.faults('TokensResponse', JSON.parse(text))).toEqual([]);
    expect(text).toContain('push:edge/**');
    expect(text).not.toMatch(/rvt_|sha256/);

    expect((await send('POST', '/v1/tokens', ask)).status).toBe(409);
    expect((await send('DELETE', '/v1/tokens/web')).status).toBe(204);
    expect(await works(body.token)).toBe(false);
    expect((await send('DELETE', '/v1/tokens/web')).status).toBe(404);
  });

  it.each([
    ['no grants', { name: 'a', grants: [] }],
    ['a verb that is none', { name: 'a', grants: ['own:a'] }],
    ['a pattern that is none', { name: 'a', grants: ['pull:A b'] }],
    ['a name with a slash', { name: 'a/b', grants: ['pull:a'] }],
    ['a name with a star', { name: '*', grants: ['pull:a'] }],
    ['a name of no characters', { name: '', grants: ['pull:a'] }],
    ['a past end', { name: 'a', grants: ['pull:a'], expiresIn: 0 }],
    ['an endless one', { name: 'a', grants: ['pull:a'], expiresIn: 1e300 }],
    ['an unknown member', { name: 'a', grants: ['pull:a'], secret: 'mine' }],
    ['no object', '[]'],
  ])('refuses %s', async (_what, body) => {
    const answer = await send('POST', '/v1/tokens', body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'invalid_body' });
  });

  it.each(['/v1/tokens/..%2fci', '/v1/tokens/%2a', '/v1/tokens/a%00'])(
    'refuses to revoke %s',
    async (path) => {
      expect((await send('DELETE', path)).status).toBe(400);
    },
  );
});

describe('rivulet token', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: '', err: '' };
    const keep = (key: 'out' | 'err') => (text: string | Uint8Array) => {
      said[key] += Buffer.from(text).toString();
      return true;
    };
    vi.spyOn(process.stdout, 'write').mockImplementation(keep('out'));
    vi.spyOn(process.stderr, 'write').mockImplementation(keep('err'));
    const program = new Command('rivulet').exitOverride().configureOutput({});
    addToken(program);
    for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
      command.exitOverride();
    }
    const code = await runProgram(program, ['node', 'rivulet', 'token', ...args]);
    vi.restoreAllMocks();
    return { code, ...said };
  }

  describe.each(['beside the server', 'through the server'])('%s', (how) => {
    const isRemote = how === 'through the server';
    const where = (): string[] =>
      isRemote ? ['--server', origin.url] : ['--data', join(dir, 'origin')];
    const name = isRemote ? 'remote' : 'local';

    it('creates, lists and revokes', async () => {
      vi.stubEnv('RIVULET_TOKEN', admin);
      const grants = ['--allow', 'push:a/**', 'admin:**', '--expires', '30d'];
      const made = await run('create', '--name', name, ...grants, ...where());
      expect([made.code, made.err]).toEqual([0, '']);
      expect(made.out).toMatch(/^rvt_\S{43}\n$/);
      const secret = made.out.trim();
      expect(await works(secret)).toBe(true);
      const listed = await run('list', ...where());
      expect(listed.out).toMatch(
        new RegExp(`^${name} {2}push:a/\\*\\* admin:\\*\\* {2}until `, 'm'),
      );
      expect(listed.out).not.toContain('rvt_');
      const again = await run('create', '--name', name, '--allow', 'pull:a', ...where());
      expect([again.code, again.out]).toEqual([1, '']);
      expect(again.err).toContain(`there is a token named "${name}"`);

      expect(await run('revoke', name, ...where())).toMatchObject({ code: 0, err: '' });
      expect(await works(secret)).toBe(false);
      const gone = await run('revoke', name, ...where());
      expect([gone.code, gone.err]).toEqual([1, `rivulet: there is no token named "${name}"\n`]);
    });

    it('speaks JSON', async () => {
      vi.stubEnv('RIVULET_TOKEN', admin);
      const args = ['--name', `${name}-json`, '--allow', 'pull:a', '--json'];
      const { out } = await run('create', ...args, ...where());
      expect(JSON.parse(out)).toMatchObject({ event: 'token', grants: ['pull:a'] });
    });
  });

  it('says what the server refuses', async () => {
    vi.stubEnv('RIVULET_TOKEN', 'rvt_wrong');
    const listed = await run('list', '--server', origin.url);
    expect([listed.code, listed.out]).toEqual([1, '']);
    expect(listed.err).toMatch(/401: Unauthorized: the token is unknown, revoked or expired/);
  });

  it.each([
    ['create', '--name', 'bad', '--allow', 'own:**'],
    ['create', '--name', 'a/b', '--allow', 'pull:a'],
    ['create', '--name', 'bad', '--allow', 'pull:a', '--expires', '0h'],
    ['create', '--name', 'bad', '--allow', 'pull:a', '--expires', 'soon'],
    ['create', '--allow', 'pull:a'],
    ['list', '--server', 'http://127.0.0.1:1', '--data', 'x'],
  ])('ends with 2 for wrong use: %s %s %s %s', async (...args) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toBe('');
  });
});
