import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { GPG, GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { startFaultProxy, type FaultProxy } from '../faults/ostree-fault-proxy.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { makeHome } from './client-environment.ts';
import { printVersion } from './client-rig.ts';
import { needTool } from './require.ts';
import { runTool } from './run-tool.ts';

const TOOLS = [needTool('flatpak'), needTool('ostree'), GPG];
const ARCH = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const RUNTIME = `runtime/org.example.Platform/${ARCH}/1`;
const APP = `app/org.example.App/${ARCH}/1`;
const PLATFORM = `runtime=org.example.Platform/${ARCH}/1\nsdk=org.example.Sdk/${ARCH}/1\n`;

/** Large enough for a delta to be worth it. */
function programOf(version: number): Buffer {
  return Buffer.concat([noise(200_000, 'program'), noise(1000, `version ${version}`)]);
}

/** A runtime that holds nothing to run: flatpak installs and updates, nothing is started. */
describe.skipIf(TOOLS.includes(undefined))('flatpak', () => {
  let rig: OstreeRig;
  let proxy: FaultProxy;
  let home: GpgHome;
  let keys: string;

  beforeAll(async () => {
    home = new GpgHome();
    const keyId = home.newKey('apps@example.org');
    const sign = [{ kind: 'gpg', keyId, homedir: home.path }];
    rig = await startOstreeRig({ ostree: { repositories: { 'apps/signed': { sign } } } });
    proxy = await startFaultProxy(rig.origin.url);
    keys = join(rig.dir, 'keys.gpg');
    writeFileSync(keys, home.publicKeys(keyId));
    mkdirSync(join(rig.dir, 'runtime/files'), { recursive: true });
    mkdirSync(join(rig.dir, 'runtime/usr'));
    mkdirSync(join(rig.dir, 'app/files/bin'), { recursive: true });
    mkdirSync(join(rig.dir, 'app/export'));
    const metadata = (kind: string, head: string) => `[${kind}]\n${head}${PLATFORM}`;
    write('runtime/metadata', metadata('Runtime', 'name=org.example.Platform\n'));
    write('runtime/files/platform', 'a platform');
    write('app/metadata', metadata('Application', 'name=org.example.App\ncommand=hello\n'));
    printVersion('flatpak', await runTool('flatpak', ['--version']));
  });
  afterAll(async () => {
    await proxy.close();
    await rig.close();
    home.remove();
  });

  function write(path: string, text: string): void {
    writeFileSync(join(rig.dir, path), text);
  }

  it.each(['plain', 'signed'])('installs and updates an app, %s, by deltas', async (kind) => {
    const dir = join(rig.dir, kind);
    mkdirSync(dir);
    const env = {
      ...(await makeHome(join(dir, 'home'))),
      FLATPAK_USER_DIR: join(dir, 'installed'),
    };
    const flatpak = (...args: readonly string[]): Promise<string> =>
      runTool('flatpak', args, { cwd: dir, env });
    const repo = join(dir, 'repo');
    await ostree(dir, 'init', '--repo=repo', '--mode=archive');
    const pusher = new Pusher(`${rig.origin.url}/ostree/apps/${kind}`);
    const release = async (version: number): Promise<void> => {
      const program = join(rig.dir, 'app/files/bin/hello');
      writeFileSync(program, programOf(version));
      chmodSync(program, 0o755);
      await flatpak('build-export', repo, join(rig.dir, 'app'), '1');
      await pusher.push(repo, APP);
      await buildStaticDeltas(rig.origin.store);
    };
    const installed = (): Buffer =>
      readFileSync(join(dir, 'installed/app/org.example.App/current/active/files/bin/hello'));

    await flatpak('build-export', '--runtime', repo, join(rig.dir, 'runtime'), '1');
    await pusher.push(repo, RUNTIME);
    await release(1);
    const trust = kind === 'plain' ? '--no-gpg-verify' : `--gpg-import=${keys}`;
    await flatpak('--user', 'remote-add', trust, 'apps', `${proxy.url}/ostree/apps/${kind}`);
    expect(await flatpak('--user', 'remote-ls', 'apps')).toContain('org.example.App');
    const quiet = ['--assumeyes', '--noninteractive'];
    await flatpak('--user', 'install', ...quiet, 'apps', 'org.example.App');
    expect(installed().equals(programOf(1))).toBe(true);
    expect(await flatpak('--user', 'list')).toContain('org.example.Platform');

    await release(2);
    const before = proxy.asked.length;
    await flatpak('--user', 'update', ...quiet);
    expect(installed().equals(programOf(2))).toBe(true);
    expect(proxy.asked.slice(before).filter((path) => path.endsWith('/superblock'))).not.toEqual(
      [],
    );
    await ostree(dir, 'fsck', '--repo=installed/repo');
  });

  it('refuses an app by another key', async () => {
    const dir = join(rig.dir, 'stranger');
    const env = { ...(await makeHome(dir)), FLATPAK_USER_DIR: join(dir, 'installed') };
    const flatpak = (...args: readonly string[]): Promise<string> =>
      runTool('flatpak', args, { env });
    const other = join(rig.dir, 'other.gpg');
    writeFileSync(other, home.publicKeys(home.newKey('other@example.org')));
    const url = `${proxy.url}/ostree/apps/signed`;
    await expect(
      flatpak('--user', 'remote-add', `--gpg-import=${other}`, 'apps', url),
    ).rejects.toThrow(/public key not found|signature/);
  });
});
