import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { needTool } from './require.ts';

const buildah = needTool('buildah');

interface Described {
  readonly digest: string;
  readonly size: number;
  readonly platform: { readonly architecture: string; readonly variant?: string };
}

interface Image {
  readonly config: Described;
  readonly layers: readonly Described[];
}

describe.skipIf(buildah === undefined)('buildah', () => {
  let rig: ClientRig;

  beforeAll(async () => {
    rig = await startClientRig('buildah');
    const context = join(rig.dir, 'context');
    await mkdir(context);
    await writeFile(join(context, 'base'), Buffer.alloc(50_000, 'base'));
    for (const arch of ['amd64', 'arm64', 'arm']) await writeFile(join(context, arch), arch);
    const lines = ['FROM scratch', 'COPY base /base', 'ARG TARGETARCH'];
    await writeFile(
      join(context, 'Containerfile'),
      [...lines, 'COPY ${TARGETARCH} /program', 'ENTRYPOINT ["/program"]', ''].join('\n'),
    );
    printVersion('buildah', await rig.run(buildah ?? '', ['--version']));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) =>
    rig.run(buildah ?? '', [
      // Its own storage, on the driver that needs no kernel feature.
      ...['--storage-driver', 'vfs'],
      ...['--root', join(rig.dir, 'root'), '--runroot', join(rig.dir, 'run')],
      ...args,
    ]);
  const get = async <T>(repo: string, path: string): Promise<T> => {
    const accept =
      'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
    const answer = await fetch(`${rig.url}/v2/${repo}/${path}`, { headers: { accept } });
    expect(answer.status).toBe(200);
    return (await answer.json()) as T;
  };

  it('builds for three platforms and pushes one index of them', async () => {
    await run('manifest', 'create', 'release');
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      const build = ['bud', '--isolation', 'chroot', '--platform', platform, '--layers'];
      await run(...build, '--manifest', 'release', 'context');
    }
    const to = `docker://${rig.host}/demo/built:v1`;
    await run('manifest', 'push', '--all', '--tls-verify=false', 'release', to);

    const { manifests } = await get<{ manifests: Described[] }>('demo/built', 'manifests/v1');
    const platforms = manifests.map(({ platform }) =>
      [platform.architecture, platform.variant ?? ''].join('/'),
    );
    expect(platforms.sort()).toEqual(['amd64/', 'arm/v7', 'arm64/']);
    for (const { digest, platform } of manifests) {
      const image = await get<Image>('demo/built', `manifests/${digest}`);
      for (const blob of [image.config, ...image.layers]) {
        const answer = await fetch(`${rig.url}/v2/demo/built/blobs/${blob.digest}`);
        expect((await answer.arrayBuffer()).byteLength).toBe(blob.size);
      }
      const config = await get<object>('demo/built', `blobs/${image.config.digest}`);
      expect(config).toMatchObject({ architecture: platform.architecture });
    }
  });

  it('builds upon what it pulled, and pushes that', async () => {
    await run('rmi', '--all', '--force');
    const from = `${rig.host}/demo/built:v1`;
    const container = (await run('from', '--pull-always', '--tls-verify=false', from)).trim();
    await run('copy', container, 'context/base', '/again');
    const image = (await run('commit', container)).trim();
    const to = `docker://${rig.host}/demo/derived:v1`;
    await run('push', '--tls-verify=false', image, to);
    const derived = await get<Image>('demo/derived', 'manifests/v1');
    expect(derived.config.digest).toBe(`sha256:${image}`);
    await get('demo/derived', `blobs/${derived.config.digest}`);
  });
});
