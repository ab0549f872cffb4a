import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeSmallRelease } from '../../clients/oci-image.ts';
import { needTool } from '../../clients/require.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../../clients/rivulet.ts';
import { runTool } from '../../clients/run-tool.ts';

describe('an origin with access rules', () => {
  let dir = '';
  let data = '';
  let server: ServerProcess;
  let token = '';

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-access-'));
    data = join(dir, 'data');
    await writeSmallRelease(join(dir, 'release'), 'v1', 1);
    await writeFile(join(dir, 'rivulet.yaml'), 'anonymous: ["pull:open/**"]\n');
    server = await startRivulet([
      ...['serve', '--data', data, '--listen', '127.0.0.1:0'],
      ...['--config', join(dir, 'rivulet.yaml')],
    ]);
    token = await create('ci', 'push:open/**', 'push:closed/app');
  });
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function create(name: string, ...grants: string[]): Promise<string> {
    const allow = grants.flatMap((grant) => ['--allow', grant]);
    const made = await runRivulet(['token', 'create', '--data', data, '--name', name, ...allow]);
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' });
    return made.stdout.trim();
  }

  const push = (name: string, env: NodeJS.ProcessEnv = {}) =>
    runRivulet(['push', `oci:${join(dir, 'release')}:v1`, name, '--server', server.url], env);
  const get = (path: string, secret?: string) =>
    fetch(`${server.url}${path}`, {
      headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    });

  it('refuses a push without a token, and one that the token does not grant', async () => {
    const bare = await push('open/app:v1');
    expect(bare.code).toBe(1);
    expect(bare.stderr).toContain('401');
    const other = await push('other/app:v1', { RIVULET_TOKEN: token });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('403');
  });

  it('takes what the token grants', async () => {
    for (const name of ['open/app:v1', 'closed/app:v1']) {
      const pushed = await push(name, { RIVULET_TOKEN: token });
      expect({ code: pushed.code, stderr: pushed.stderr }).toEqual({ code: 0, stderr: '' });
    }
  });

  it('lets everyone read what is open, and only that', async () => {
    expect((await get('/v2/open/app/manifests/v1')).status).toBe(200);
    const closed = await get('/v2/closed/app/manifests/v1');
    expect(closed.status).toBe(401);
    expect(closed.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect((await get('/v2/closed/app/manifests/v1', token)).status).toBe(200);
    const digest = `sha256:${'0'.repeat(64)}`;
    expect((await get(`/v1/blobs/${digest}`)).status).toBe(401);
    expect((await get(`/v1/blobs/${digest}`, token)).status).toBe(403);
    expect((await get('/v2/')).status).toBe(401);
    expect((await get('/livez')).status).toBe(200);
  });

  it('does not let a mount read what its caller may not', async () => {
    const secret = await create('narrow', 'push:open/mine');
    const { config } = (await (await get('/v2/open/app/manifests/v1')).json()) as {
      config?: { digest: string };
      manifests?: { digest: string }[];
    };
    const digest = config?.digest ?? `sha256:${'1'.repeat(64)}`;
    for (const query of [`mount=${digest}&from=closed/app`, `mount=${digest}`]) {
      const answer = await fetch(`${server.url}/v2/open/mine/blobs/uploads/?${query}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
      });
      expect(answer.status).toBe(403);
    }
  });

  it('forgets a revoked token at once, and an expired one', async () => {
    const secret = await create('gone', 'pull:closed/**');
    expect((await get('/v2/closed/app/manifests/v1', secret)).status).toBe(200);
    expect((await runRivulet(['token', 'revoke', 'gone', '--data', data])).code).toBe(0);
    expect((await get('/v2/closed/app/manifests/v1', secret)).status).toBe(401);
    expect((await runRivulet(['token', 'revoke', 'gone', '--data', data])).code).toBe(1);

    const args = ['--name', 'old', '--allow', 'pull:**', '--expires', '0h', '--data', data];
    const expired = await runRivulet(['token', 'create', ...args]);
    expect((await get('/v2/closed/app/manifests/v1', expired.stdout.trim())).status).toBe(401);
  });

  it('lists names and grants, never secrets', async () => {
    const { stdout } = await runRivulet(['token', 'list', '--data', data]);
    expect(stdout).toContain('push:open/**');
    expect(stdout).not.toContain('rvt_');
    expect(server.log()).not.toContain(token);
  });

  it('refuses a grant that is none', async () => {
    const args = ['token', 'create', '--data', data, '--name', 'bad', '--allow', 'admin:**'];
    expect((await runRivulet(args)).code).toBe(2);
  });

  const skopeo = needTool('skopeo');
  it.skipIf(skopeo === undefined)('lets skopeo log in, push and pull', async () => {
    const auth = ['--authfile', join(dir, 'auth.json')];
    const { host } = new URL(server.url);
    const tls = '--tls-verify=false';
    await runTool('skopeo', ['login', ...auth, tls, '-u', 'ci', '-p', token, host]);
    const [from, to] = [`oci:${join(dir, 'release')}:v1`, `docker://${host}/open/by-skopeo:v1`];
    await runTool('skopeo', ['copy', '--all', ...auth, '--dest-tls-verify=false', from, to]);
    await runTool('skopeo', [
      'copy',
      '--all',
      '--src-tls-verify=false',
      to,
      `oci:${join(dir, 'back')}`,
    ]);
    const closed = `docker://${host}/closed/app:v1`;
    await expect(
      runTool('skopeo', ['inspect', '--raw', '--no-creds', tls, closed]),
    ).rejects.toThrow();
  });
});
