import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { WrittenImage } from '../../bench/demo/release.ts';
import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { addCache } from '../../server/cli/commands/cache.ts';
import { EXIT, runProgram } from '../../server/cli/run.ts';
import { configOf, silent, statusOf } from '../server/cache/tools.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { startContainerd } from './containerd.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';

const containerd = needRootTool('containerd');
const ctr = needTool('ctr');
const podman = needTool('podman');
const skopeo = needTool('skopeo');

/** No resolver knows it: who gets something of it got it through the cache. */
const SECOND = 'second.example.test';

/**
 * Two registries and one cache: the origin, which lets everyone in, and another that gives its tokens to
 * the cache alone. Clients have nothing but what `rivulet cache config` writes.
 */
describe('clients with what `rivulet cache config` writes', () => {
  let rig: ClientRig;
  let other: ClientRig;
  let cache: RunningCache;
  let release: readonly WrittenImage[];
  let digest: string;
  let otherDigest: string;

  beforeAll(async () => {
    rig = await startClientRig('cache-config');
    release = await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    digest = await rig.push(join(rig.dir, 'in'), 'demo/app', 'v1');
    other = await startClientRig('cache-config-2', { 'token:cache': ['pull:demo/**'] });
    await writeSmallRelease(join(other.dir, 'in'), 'v1', 7);
    const push = await other.token('ci', 'push:**');
    otherDigest = await other.push(join(other.dir, 'in'), 'demo/app', 'v1', push);
    const password = await other.token('cache', 'pull:demo/**');
    const registries = { [SECOND]: { url: other.url, username: 'cache', password } };
    cache = await startCache(configOf(rig.url, join(rig.dir, 'cache'), { registries }), silent);
  });
  afterAll(async () => {
    await cache.close();
    await other.close();
    await rig.close();
  });

  /** Writes the files below a folder as the command does, and returns that. */
  async function writeConfig(client: string): Promise<string> {
    const out = join(rig.dir, `for-${client}`);
    const file = join(rig.dir, 'region.json');
    const settings = {
      upstream: rig.url,
      region: 'eu',
      registries: { [SECOND]: { url: other.url } },
    };
    await mkdir(out, { recursive: true });
    await writeFile(file, JSON.stringify(settings));
    const program = new Command('rivulet').exitOverride();
    addCache(program);
    const args = ['cache', 'config', '--for', client, '--config', file];
    const more = ['--public-url', cache.url, '--out', out];
    expect(await runProgram(program, ['node', 'rivulet', ...args, ...more])).toBe(EXIT.done);
    return out;
  }

  it.skipIf(containerd === undefined || ctr === undefined)(
    'containerd pulls from both, the second time without either',
    async () => {
      const node = await startContainerd({ containerd: containerd ?? '', ctr: ctr ?? '' }, rig.env);
      try {
        printVersion('containerd', await rig.run(containerd ?? '', ['--version']));
        const hosts = join(await writeConfig('containerd'), 'etc/containerd/certs.d');
        const pull = (name: string) =>
          node.ctr(
            'images',
            'pull',
            '--hosts-dir',
            hosts,
            '--all-platforms',
            `${name}/demo/app:v1`,
          );
        await pull(rig.host);
        await pull(SECOND);
        const images = await node.ctr('images', 'ls');
        expect(images).toMatch(new RegExp(`${rig.host}/demo/app:v1.*${digest}`));
        expect(images).toMatch(new RegExp(`${SECOND}/demo/app:v1.*${otherDigest}`));
        const cold = Number((await statusOf(cache.url))['egressBytes']);
        for (const name of [rig.host, SECOND]) {
          await node.ctr('images', 'rm', '--sync', `${name}/demo/app:v1`);
        }
        await pull(SECOND);
        await pull(rig.host);
        const warm = Number((await statusOf(cache.url))['egressBytes']);
        expect(warm - cold).toBeLessThan(cold / 50);
        await expect(
          node.ctr('images', 'pull', '--hosts-dir', hosts, `${SECOND}/closed/app:v1`),
        ).rejects.toThrow();
      } finally {
        await node.stop();
      }
    },
  );

  async function homeWithRegistries(name: string): Promise<NodeJS.ProcessEnv> {
    const home = join(rig.dir, `home-${name}`);
    const from = join(await writeConfig('podman'), 'etc/containers');
    await cp(from, join(home, '.config/containers'), { recursive: true });
    return { ...rig.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
  }

  it.skipIf(skopeo === undefined)('skopeo copies from both by their own names', async () => {
    const env = await homeWithRegistries('skopeo');
    for (const [name, expected] of [
      [rig.host, digest],
      [SECOND, otherDigest],
    ] as const) {
      const before = Number((await statusOf(cache.url))['servedBytes']);
      const to = join(rig.dir, `skopeo-${expected.slice(7, 15)}`);
      await rig.run(
        skopeo ?? '',
        ['copy', '--all', `docker://${name}/demo/app:v1`, `oci:${to}:v1`],
        { env },
      );
      const index = JSON.parse(await readFile(join(to, 'index.json'), 'utf8')) as {
        manifests: { digest: string }[];
      };
      expect(index.manifests[0]?.digest).toBe(expected);
      expect(Number((await statusOf(cache.url))['servedBytes'])).toBeGreaterThan(before);
    }
  });

  it.skipIf(podman === undefined)('podman pulls from both by their own names', async () => {
    const env = await homeWithRegistries('podman');
    const pull = async (reference: string): Promise<string> => {
      const store = ['--storage-driver', 'vfs', '--root', join(rig.dir, 'root')];
      const places = ['--runroot', join(rig.dir, 'run'), '--tmpdir', join(rig.dir, 'tmp')];
      return rig.run(podman ?? '', [...store, ...places, 'pull', '-q', reference], { env });
    };
    const image = (await pull(`${rig.host}/demo/app:v1`)).trim();
    expect(release.map(({ config }) => config.digest)).toContain(`sha256:${image}`);
    expect((await pull(`${SECOND}/demo/app:v1`)).trim()).not.toBe(image);
  });
});
