import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startRegistry, type RunningRegistry } from '../server/oci/rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';
import { runTool } from './run-tool.ts';

const podman = needTool('podman');
const skopeo = needTool('skopeo');

describe.skipIf(podman === undefined || skopeo === undefined)('podman', () => {
  let dir: string;
  let registry: RunningRegistry;
  let host: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-podman-'));
    registry = await startRegistry('fs');
    ({ host } = new URL(registry.url));
    await writeSmallRelease(join(dir, 'in'), 'v1', 1);
    await runTool(skopeo ?? '', [
      ...['--insecure-policy', 'copy', '--all', '--dest-tls-verify=false'],
      ...[`oci:${join(dir, 'in')}:v1`, `docker://${host}/demo/app:v1`],
    ]);
  });
  afterAll(async () => {
    await registry.close();
    await rm(dir, { recursive: true, force: true });
  });

  const run = (...args: string[]) =>
    runTool(podman ?? '', [
      // Its own storage, on the driver that needs no kernel feature.
      ...['--storage-driver', 'vfs', '--root', join(dir, 'root'), '--runroot', join(dir, 'run')],
      ...args,
    ]);

  it('pulls its platform, pushes it elsewhere and pulls the same image again', async () => {
    const pulled = (await run('pull', '-q', '--tls-verify=false', `${host}/demo/app:v1`)).trim();
    expect(pulled).toMatch(/^[0-9a-f]{64}$/);
    await run('push', '-q', '--tls-verify=false', pulled, `${host}/demo/pushed:v2`);
    await run('rmi', '-f', pulled);
    const again = await run('pull', '-q', '--tls-verify=false', `${host}/demo/pushed:v2`);
    expect(again.trim()).toBe(pulled);
  });

  it('pulls by digest for another platform', async () => {
    const text = await runTool(skopeo ?? '', [
      ...['inspect', '--raw', '--tls-verify=false', `docker://${host}/demo/app:v1`],
    ]);
    const { manifests } = JSON.parse(text) as { manifests: { digest: string }[] };
    for (const { digest } of manifests) {
      await run('pull', '-q', '--tls-verify=false', `${host}/demo/app@${digest}`);
    }
    const images = await run('images', '-q', '--no-trunc');
    expect(new Set(images.trim().split('\n')).size).toBeGreaterThanOrEqual(manifests.length);
  });
});
