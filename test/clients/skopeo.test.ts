import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';

const skopeo = needTool('skopeo');

interface DockerList {
  readonly mediaType: string;
  readonly manifests: readonly { readonly mediaType: string }[];
}

describe.skipIf(skopeo === undefined)('skopeo', () => {
  let rig: ClientRig;
  let dir: string;
  let image: string;

  beforeAll(async () => {
    rig = await startClientRig('skopeo');
    ({ dir } = rig);
    image = `docker://${rig.host}/demo/app`;
    await writeSmallRelease(join(dir, 'in'), 'v1', 1);
    printVersion('skopeo', await run('--version'));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => rig.run(skopeo ?? '', ['--insecure-policy', ...args]);
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

  it('converts to Docker’s manifests on the way', async () => {
    const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const docker = 'application/vnd.docker.distribution.manifest';
    await run('copy', '--all', '--format', 'v2s2', ...tls, `${image}:v1`, `${image}3:docker`);
    const raw = await run('inspect', '--raw', '--tls-verify=false', `${image}3:docker`);
    const { mediaType, manifests } = JSON.parse(raw) as DockerList;
    expect(mediaType).toBe(`${docker}.list.v2+json`);
    expect(manifests.map((one) => one.mediaType)).toEqual(Array(3).fill(`${docker}.v2+json`));
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
