import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeHome } from './client-environment.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';
import type { ToolOptions } from './run-tool.ts';

const skopeo = needTool('skopeo');
const podman = needTool('podman');
const crane = needTool('crane');
const curl = needTool('curl');

const REFUSED = /401|403|unauthorized|denied|authentication required|requested access/i;
const WRONG = 'rvt_wrong';

/**
 * The token of each test may push below team/ and read below library/, anybody may read what is below
 * public/. Other clients log in in token-clients.test.ts.
 */
describe('logging in', () => {
  let rig: ClientRig;
  let host: string;
  let admin: string;
  let layout: string;

  beforeAll(async () => {
    const access = { anonymous: ['pull:public/**'], 'token:user-*': ['pull:library/*'] };
    rig = await startClientRig('login', access);
    ({ host } = rig);
    admin = await rig.token('admin', 'admin:**');
    layout = join(rig.dir, 'in');
    await writeSmallRelease(layout, 'v1', 1);
    for (const repo of ['public/app', 'library/app', 'secret/app']) {
      await rig.push(layout, repo, 'v1', admin);
    }
  });
  afterAll(() => rig.close());

  const user = (name: string) => rig.token(`user-${name}`, 'push:team/**');
  async function revoke(name: string): Promise<void> {
    const url = `${rig.url}/v1/tokens/user-${name}`;
    const headers = { authorization: `Bearer ${admin}` };
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204);
  }

  it.skipIf(skopeo === undefined)('skopeo', async () => {
    const secret = await user('skopeo');
    const auth = ['--authfile', join(rig.dir, 'skopeo.json')];
    const run = (...args: string[]) => rig.run(skopeo ?? '', ['--insecure-policy', ...args]);
    const login = (password: string) =>
      run('login', ...auth, '--tls-verify=false', '-u', 'any', '-p', password, host);
    const pull = (repo: string, to: string, flags = auth) =>
      run(
        ...['copy', '--all', ...flags, '--src-tls-verify=false'],
        ...[`docker://${host}/${repo}:v1`, `oci:${join(rig.dir, to)}:v1`],
      );
    const push = (repo: string, flags = auth) =>
      run(
        ...['copy', '--all', ...flags, '--dest-tls-verify=false'],
        ...[`oci:${layout}:v1`, `docker://${host}/${repo}:v1`],
      );
    printVersion('skopeo', await run('--version'));

    // Nobody: what is open, and no more.
    await pull('public/app', 'open', []);
    await expect(pull('library/app', 'closed', [])).rejects.toThrow(REFUSED);
    await expect(push('team/skopeo', [])).rejects.toThrow(REFUSED);
    await expect(login(WRONG)).rejects.toThrow(/invalid username\/password/);

    await login(secret);
    await push('team/skopeo');
    await pull('team/skopeo', 'back');
    const blobs = async (name: string) =>
      (await readdir(join(rig.dir, name, 'blobs/sha256'))).sort();
    expect(await blobs('back')).toEqual(await blobs('in'));
    await pull('public/app', 'open-again');
    await pull('library/app', 'library');
    await expect(pull('secret/app', 'secret')).rejects.toThrow(REFUSED);
    await expect(push('library/app')).rejects.toThrow(REFUSED);
    // From a repository that the token may read, and from one that it may not, into its own.
    await run(
      ...['copy', '--all', ...auth, '--src-tls-verify=false', '--dest-tls-verify=false'],
      ...[`docker://${host}/library/app:v1`, `docker://${host}/team/mounted:v1`],
    );
    const deleted = run('delete', ...auth, '--tls-verify=false', `docker://${host}/team/skopeo:v1`);
    await expect(deleted).rejects.toThrow(REFUSED);

    await revoke('skopeo');
    await expect(pull('team/skopeo', 'late')).rejects.toThrow(REFUSED);
    // A bad login is told, also where nobody needs one.
    await expect(pull('public/app', 'late-open')).rejects.toThrow(REFUSED);
    await pull('public/app', 'nobody', []);

    const cleaner = await rig.token('cleaner', 'delete:team/**');
    await run('login', ...auth, '--tls-verify=false', '-u', 'any', '-p', cleaner, host);
    await run('delete', ...auth, '--tls-verify=false', `docker://${host}/team/skopeo:v1`);
  });

  it.skipIf(podman === undefined)('podman', { timeout: 180_000 }, async () => {
    const secret = await user('podman');
    const auth = ['--authfile', join(rig.dir, 'podman.json'), '--tls-verify=false'];
    const run = (...args: string[]) =>
      rig.run(podman ?? '', [
        ...['--storage-driver', 'vfs', '--root', join(rig.dir, 'root')],
        ...['--runroot', join(rig.dir, 'run'), '--tmpdir', join(rig.dir, 'tmp')],
        ...args,
      ]);
    const login = (password: string) => run('login', ...auth, '-u', 'any', '-p', password, host);
    const pull = async (repo: string) =>
      (await run('pull', '-q', ...auth, `${host}/${repo}:v1`)).trim();
    printVersion('podman', await run('--version'));

    await writeFile(join(rig.dir, 'podman.json'), '{}');
    const image = await pull('public/app');
    await expect(pull('library/app')).rejects.toThrow(REFUSED);
    const push = (repo: string) => run('push', '-q', ...auth, image, `${host}/${repo}:v1`);
    await expect(push('team/podman')).rejects.toThrow(REFUSED);
    await expect(login(WRONG)).rejects.toThrow(/invalid username\/password/);

    await login(secret);
    await push('team/podman');
    expect(await pull('team/podman')).toBe(image);
    expect(await pull('library/app')).toBe(image);
    await expect(push('public/podman')).rejects.toThrow(REFUSED);
    await expect(pull('secret/app')).rejects.toThrow(REFUSED);

    await revoke('podman');
    await expect(pull('team/podman')).rejects.toThrow(REFUSED);
    await expect(push('team/late')).rejects.toThrow(REFUSED);
    await run('logout', '--authfile', join(rig.dir, 'podman.json'), host);
    expect(await pull('public/app')).toBe(image);
  });

  it.skipIf(crane === undefined)('crane', async () => {
    const secret = await user('crane');
    const env = await makeHome(join(rig.dir, 'crane'));
    const run = (args: string[], more?: ToolOptions) =>
      rig.run(crane ?? '', ['--insecure', ...args], { env, ...more });
    const login = (input: string) =>
      run(['auth', 'login', host, '-u', 'any', '--password-stdin'], { input });
    printVersion('crane', await run(['version']));

    await run(['validate', '--remote', `${host}/public/app:v1`]);
    await expect(run(['digest', `${host}/library/app:v1`])).rejects.toThrow(REFUSED);
    await expect(run(['push', layout, `${host}/team/crane:v1`])).rejects.toThrow(REFUSED);

    await login(secret);
    await run(['push', layout, `${host}/team/crane:v1`]);
    await run(['validate', '--remote', `${host}/team/crane:v1`]);
    await run(['copy', `${host}/library/app:v1`, `${host}/team/copied:v1`]);
    await expect(run(['copy', `${host}/secret/app:v1`, `${host}/team/x:v1`])).rejects.toThrow(
      REFUSED,
    );
    await expect(run(['push', layout, `${host}/public/crane:v1`])).rejects.toThrow(REFUSED);
    const listed = (await run(['catalog', host])).trim().split('\n');
    expect(listed).toEqual(expect.arrayContaining(['library/app', 'public/app', 'team/crane']));
    expect(listed).not.toContain('secret/app');
    expect(await run(['ls', `${host}/team/crane`])).toContain('v1');

    await revoke('crane');
    await expect(run(['digest', `${host}/team/crane:v1`])).rejects.toThrow(REFUSED);
    await login(WRONG);
    await expect(run(['digest', `${host}/public/app:v1`])).rejects.toThrow(REFUSED);
  });

  it.skipIf(curl === undefined)('curl', async () => {
    const secret = await user('curl');
    const status = async (path: string, ...args: string[]) =>
      (
        await rig.run(curl ?? '', [
          ...['-sS', '-o', '/dev/null', '-w', '%{http_code}', ...args],
          `${rig.url}${path}`,
        ])
      ).trim();
    const bearer = (token: string) => ['-H', `Authorization: Bearer ${token}`];
    printVersion('curl', await rig.run(curl ?? '', ['--version']));

    for (const given of [bearer(secret), ['-u', `any:${secret}`]]) {
      expect(await status('/v2/', ...given)).toBe('200');
      expect(await status('/v2/library/app/manifests/v1', ...given)).toBe('200');
      expect(await status('/v2/secret/app/manifests/v1', ...given)).toBe('403');
      expect(await status('/v2/team/curl/blobs/uploads/', '-X', 'POST', ...given)).toBe('202');
    }
    expect(await status('/v2/public/app/manifests/v1')).toBe('200');
    expect(await status('/v2/public/app/manifests/v1', '-u', ':')).toBe('200');
    expect(await status('/v2/library/app/manifests/v1')).toBe('401');
    expect(await status('/v2/public/app/manifests/v1', ...bearer(WRONG))).toBe('401');
    expect(await status('/v2/public/app/manifests/v1', '-u', `any:${WRONG}`)).toBe('401');

    // A signed token ends with the secret that it was issued for.
    const scope = 'scope=repository:library/app:pull';
    const answer = await rig.run(curl ?? '', [
      ...['-sS', '-u', `any:${secret}`],
      `${rig.url}/v1/token?service=${host}&${scope}`,
    ]);
    const { token } = JSON.parse(answer) as { token: string };
    expect(await status('/v2/library/app/manifests/v1', ...bearer(token))).toBe('200');
    await revoke('curl');
    expect(await status('/v2/library/app/manifests/v1', ...bearer(token))).toBe('401');
    expect(await status('/v2/library/app/manifests/v1', ...bearer(secret))).toBe('401');
  });
});
