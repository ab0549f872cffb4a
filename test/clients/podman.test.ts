import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { WrittenImage } from '../../bench/demo/release.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';

const podman = needTool('podman');

describe.skipIf(podman === undefined)('podman', () => {
  let rig: ClientRig;
  let host: string;
  let release: readonly WrittenImage[];

  beforeAll(async () => {
    rig = await startClientRig('podman');
    ({ host } = rig);
    release = await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    await rig.push(join(rig.dir, 'in'), 'demo/app', 'v1');
    printVersion('podman', await run('--version'));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) =>
    rig.run(podman ?? '', [
      // Its own storage, on the driver that needs no kernel feature.
      ...['--storage-driver', 'vfs', '--root', join(rig.dir, 'root')],
      ...['--runroot', join(rig.dir, 'run'), '--tmpdir', join(rig.dir, 'tmp')],
      ...args,
    ]);

  it('pulls its platform, pushes it elsewhere and pulls the same image again', async () => {
    const pulled = (await run('pull', '-q', '--tls-verify=false', `${host}/demo/app:v1`)).trim();
    expect(pulled).toMatch(/^[0-9a-f]{64}$/);
    await run('push', '-q', '--tls-verify=false', pulled, `${host}/demo/pushed:v2`);
    await run('rmi', '-f', pulled);
    const again = await run('pull', '-q', '--tls-verify=false', `${host}/demo/pushed:v2`);
    expect(again.trim()).toBe(pulled);
    expect(release.map(({ config }) => config.digest)).toContain(`sha256:${pulled}`);
  });

  it('pulls each platform by digest', async () => {
    for (const { manifest, config } of release) {
      const reference = `${host}/demo/app@${manifest.digest}`;
      const pulled = await run('pull', '-q', '--tls-verify=false', reference);
      expect(`sha256:${pulled.trim()}`).toBe(config.digest);
    }
  });
});
