import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startRegistry, type RunningRegistry } from '../server/oci/rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';
import { runTool } from './run-tool.ts';

const skopeo = needTool('skopeo');

describe.skipIf(skopeo === undefined)('skopeo', () => {
  let dir: string;
  let registry: RunningRegistry;
  let image: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-skopeo-'));
    registry = await startRegistry('fs');
    image = `docker://${new URL(registry.url).host}/demo/app`;
    await writeSmallRelease(join(dir, 'in'), 'v1', 1);
  });
  afterAll(async () => {
    await registry.close();
    await rm(dir, { recursive: true, force: true });
  });

  const run = (...args: string[]) => runTool(skopeo ?? '', ['--insecure-policy', ...args]);
  const blobsOf = async (layout: string): Promise<string[]> =>
    (await readdir(join(dir, layout, 'blobs/sha256'))).sort();

  it('copies an index and its images in and out with equal digests', async () => {
    const all = ['copy', '--all', '--preserve-digests'];
    await run(...all, '--dest-tls-verify=false', `oci:${join(dir, 'in')}:v1`, `${image}:v1`);
    await run(...all, '--src-tls-verify=false', `${image}:v1`, `oci:${join(dir, 'out')}:v1`);
    expect(await blobsOf('out')).toEqual(await blobsOf('in'));
    // A second push finds everything there.
    await run(...all, '--dest-tls-verify=false', `oci:${join(dir, 'in')}:v1`, `${image}:again`);
    // Another repository of the same registry gets its blobs by mounts.
    await run(
      ...all,
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      `${image}:v1`,
      `${image}2:v1`,
    );
    await run(...all, '--src-tls-verify=false', `${image}2:v1`, `oci:${join(dir, 'out2')}:v1`);
    expect(await blobsOf('out2')).toEqual(await blobsOf('in'));
  });

  it('inspects, raw and by platform', async () => {
    const raw = await run('inspect', '--raw', '--tls-verify=false', `${image}:v1`);
    const layout = JSON.parse(await readFile(join(dir, 'in/index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const digest = layout.manifests[0]?.digest ?? '';
    expect(raw).toBe(await readFile(join(dir, 'in/blobs/sha256', digest.slice(7)), 'utf8'));
    for (const [arch, variant] of [
      ['amd64', ''],
      ['arm64', ''],
      ['arm', 'v7'],
    ] as const) {
      const platform = ['--override-os', 'linux', '--override-arch', arch];
      if (variant !== '') platform.push('--override-variant', variant);
      const text = await run(...platform, 'inspect', '--tls-verify=false', `${image}:v1`);
      const facts = JSON.parse(text) as { Architecture: string; Layers: string[] };
      expect(facts.Architecture).toBe(arch);
      expect(facts.Layers).toHaveLength(3);
    }
  });

  it('lists tags and deletes', async () => {
    const tags = async (): Promise<unknown> =>
      (JSON.parse(await run('list-tags', '--tls-verify=false', image)) as { Tags: unknown }).Tags;
    expect(await tags()).toEqual(['again', 'v1']);
    await run('delete', '--tls-verify=false', `${image}:v1`);
    expect(await tags()).toEqual([]);
    await expect(run('inspect', '--tls-verify=false', `${image}:v1`)).rejects.toThrow(/unknown/);
  });
});
