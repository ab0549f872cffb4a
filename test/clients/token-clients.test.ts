import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeHome } from './client-environment.ts';
import { startClientRig, type ClientRig } from './client-rig.ts';
import { startContainerd } from './containerd.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';
import type { ToolOptions } from './run-tool.ts';

const oras = needTool('oras');
const cosign = needTool('cosign');
const helm = needTool('helm');
const buildah = needTool('buildah');
const containerd = needRootTool('containerd');
const ctr = needTool('ctr');

const REFUSED = /401|403|unauthorized|denied|forbidden|credential not found/i;

/**
 * The token `ci` may push below team/, anybody may read what is below public/. skopeo, podman and
 * crane log in in login.test.ts.
 */
describe('clients that log in', () => {
  let rig: ClientRig;
  let host: string;
  let secret: string;
  /** Of a token that may push anywhere. */
  let owner: string;
  /** A home in which nobody logged in. */
  let stranger: ToolOptions;
  let digest: string;

  beforeAll(async () => {
    rig = await startClientRig('tokens', { anonymous: ['pull:public/**'] });
    ({ host } = rig);
    secret = await rig.token('ci', 'push:team/**');
    stranger = { env: await makeHome(join(rig.dir, 'stranger')) };
    owner = await rig.token('owner', 'push:**');
    const layout = join(rig.dir, 'in');
    await writeSmallRelease(layout, 'v1', 1);
    digest = await rig.push(layout, 'team/app', 'v1', owner);
    await rig.push(layout, 'public/app', 'v1', owner);
    await writeFile(join(rig.dir, 'note.txt'), 'note');
  });
  afterAll(() => rig.close());

  it.skipIf(oras === undefined)('oras', async () => {
    const run = (args: string[], more?: ToolOptions) => rig.run(oras ?? '', args, more);
    const push = (repo: string) =>
      run(['push', '--plain-http', `${host}/${repo}:v1`, 'note.txt:text/plain']);
    const resolve = (repo: string, more?: ToolOptions) =>
      run(['resolve', '--plain-http', `${host}/${repo}:v1`], more);

    await expect(push('team/notes')).rejects.toThrow(REFUSED);
    const login = ['login', '--plain-http', '--username', 'ci', '--password-stdin', host];
    await expect(run(login, { input: 'rvt_wrong' })).rejects.toThrow(REFUSED);
    await run(login, { input: secret });
    await push('team/notes');
    await expect(push('public/notes')).rejects.toThrow(REFUSED);
    // The API of referrers, and a copy between repositories, which mounts.
    await run([
      ...['attach', '--plain-http', '--artifact-type', 'application/vnd.example.note'],
      ...[`${host}/team/notes:v1`, 'note.txt:text/plain'],
    ]);
    const both = ['--from-plain-http', '--to-plain-http'];
    await run(['cp', '-r', ...both, `${host}/team/notes:v1`, `${host}/team/copied:v1`]);
    await run(['cp', ...both, `${host}/public/app:v1`, `${host}/team/public:v1`]);
    await resolve('public/app', stranger);
    await expect(resolve('team/notes', stranger)).rejects.toThrow(REFUSED);
    expect(await resolve('team/copied')).toBe(await resolve('team/notes'));
    await run(['logout', host]);
    await expect(resolve('team/notes')).rejects.toThrow(REFUSED);
  });

  it.skipIf(cosign === undefined)('cosign', async () => {
    const home = await makeHome(join(rig.dir, 'cosign'));
    const run = (args: string[], more?: ToolOptions) =>
      rig.run(cosign ?? '', args, { env: { ...home, COSIGN_PASSWORD: '' }, ...more });
    const plain = ['--allow-http-registry', '--allow-insecure-registry'];
    const image = `${host}/team/app@${digest}`;
    const sign = (reference: string) =>
      run(['sign', ...plain, '--tlog-upload=false', '--yes', '--key', 'cosign.key', reference]);
    const verify = (more?: ToolOptions) => {
      const offline = ['--insecure-ignore-tlog', '--private-infrastructure', '--offline'];
      return run(['verify', ...plain, ...offline, '--key', 'cosign.pub', image], more);
    };

    await run(['generate-key-pair']);
    await expect(sign(image)).rejects.toThrow(REFUSED);
    await run(['login', '-u', 'ci', '--password-stdin', host], { input: secret });
    await sign(image);
    await verify();
    await expect(verify(stranger)).rejects.toThrow(REFUSED);
    await expect(sign(`${host}/public/app@${digest}`)).rejects.toThrow(REFUSED);
  });

  it.skipIf(helm === undefined)('helm', async () => {
    const run = (args: string[], more?: ToolOptions) => rig.run(helm ?? '', args, more);
    const push = (to: string) =>
      run(['push', 'till-1.0.0.tgz', `oci://${host}/${to}`, '--plain-http']);
    const show = (more?: ToolOptions) =>
      run(['show', 'chart', `oci://${host}/team/charts/till`, '--plain-http'], more);

    await mkdir(join(rig.dir, 'till'));
    const chart = 'apiVersion: v2\nname: till\nversion: 1.0.0\n';
    await writeFile(join(rig.dir, 'till/Chart.yaml'), chart);
    await run(['package', 'till']);
    await expect(push('team/charts')).rejects.toThrow(REFUSED);
    const login = ['registry', 'login', host, '--plain-http', '-u', 'ci', '--password-stdin'];
    await expect(run(login, { input: 'rvt_wrong' })).rejects.toThrow(REFUSED);
    await run(login, { input: secret });
    await push('team/charts');
    expect(await show()).toContain('name: till');
    await expect(show(stranger)).rejects.toThrow(REFUSED);
    await expect(push('public/charts')).rejects.toThrow(REFUSED);
    await run(['registry', 'logout', host]);
    await expect(show()).rejects.toThrow(REFUSED);
  });

  it.skipIf(buildah === undefined)('buildah', async () => {
    const home = await makeHome(join(rig.dir, 'buildah'));
    const storage = ['--root', join(rig.dir, 'root'), '--runroot', join(rig.dir, 'run')];
    const run = (args: string[], more?: ToolOptions) =>
      rig.run(buildah ?? '', ['--storage-driver', 'vfs', ...storage, ...args], {
        env: home,
        ...more,
      });
    const pull = (repo: string) => run(['pull', '-q', '--tls-verify=false', `${host}/${repo}:v1`]);
    const push = (image: string, repo: string) =>
      run(['push', '-q', '--tls-verify=false', image, `docker://${host}/${repo}:v1`]);

    const image = (await pull('public/app')).trim();
    await expect(pull('team/app')).rejects.toThrow(REFUSED);
    await expect(push(image, 'team/pushed')).rejects.toThrow(REFUSED);
    const login = ['login', '--tls-verify=false', '--username', 'ci', '--password-stdin', host];
    await expect(run(login, { input: 'rvt_wrong' })).rejects.toThrow(/invalid username\/password/);
    await run(login, { input: secret });
    await push(image, 'team/pushed');
    expect((await pull('team/pushed')).trim()).toBe(image);
    await expect(push(image, 'public/pushed')).rejects.toThrow(REFUSED);
    await run(['logout', host]);
    await expect(pull('team/app')).rejects.toThrow(REFUSED);
  });

  it.skipIf(containerd === undefined || ctr === undefined)('containerd', async () => {
    const programs = { containerd: containerd ?? '', ctr: ctr ?? '' };
    const node = await startContainerd(programs, rig.env);
    try {
      const pull = (repo: string, ...more: string[]) =>
        node.ctr('images', 'pull', '--plain-http', ...more, `${host}/${repo}:v1`);
      const push = (repo: string, ...more: string[]) => {
        const to = `${host}/${repo}:v1`;
        return node.ctr('images', 'push', '--plain-http', ...more, to, `${host}/team/app:v1`);
      };
      const user = ['--user', `ci:${secret}`];

      await pull('public/app');
      await expect(pull('team/app')).rejects.toThrow(REFUSED);
      await expect(pull('team/app', '--user', 'ci:rvt_wrong')).rejects.toThrow(REFUSED);
      await pull('team/app', ...user, '--all-platforms');
      await push('team/pushed', ...user);
      // It pushes side by side, and may report the ones that it gave up for the refused one.
      await expect(push('team/unnamed')).rejects.toThrow();
      await expect(push('public/pushed', ...user)).rejects.toThrow();
      for (const repo of ['team/unnamed', 'public/pushed']) {
        const headers = { authorization: `Bearer ${owner}` };
        const answer = await fetch(`${rig.url}/v2/${repo}/tags/list`, { headers });
        expect(answer.status).toBe(404);
      }
      // Through a mirror by hosts.toml, which asks for the same credentials.
      await node.mirror('registry.example.test', rig.url);
      await node.pull('registry.example.test/team/pushed:v1', ...user);
    } finally {
      await node.stop();
    }
  });
});
