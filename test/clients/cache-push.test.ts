import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { configOf, silent } from '../server/cache/tools.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';

const skopeo = needTool('skopeo');
const podman = needTool('podman');

/** An origin that only a token may push to, and read; a cache in front of it that passes pushes on. */
describe('pushes through a cache', () => {
  let rig: ClientRig;
  let cache: RunningCache;
  let host: string;
  let secret: string;

  beforeAll(async () => {
    rig = await startClientRig('cache-push', {});
    await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    await writeSmallRelease(join(rig.dir, 'in2'), 'v2', 2);
    secret = await rig.token('ci', 'push:demo/**');
    const change = {
      upstreamToken: await rig.token('cache', 'pull:**'),
      pushes: 'forward',
      // The tag that was pushed is seen at once all the same.
      tagTtlMs: 3_600_000,
    } as const;
    cache = await startCache(configOf(rig.url, join(rig.dir, 'cache'), change), silent);
    ({ host } = new URL(cache.url));
  });
  afterAll(async () => {
    await cache.close();
    await rig.close();
  });

  const tagAt = async (url: string, repo: string, tag: string): Promise<string | null> => {
    const headers = { authorization: `Bearer ${secret}` };
    const answer = await fetch(`${url}/v2/${repo}/manifests/${tag}`, { headers });
    return answer.headers.get('docker-content-digest');
  };

  it.skipIf(skopeo === undefined)(
    'skopeo pushes with its own token, and only with that',
    async () => {
      printVersion('skopeo', await rig.run(skopeo ?? '', ['--version']));
      const push = (from: string, to: string, ...who: string[]) => {
        const flags = ['copy', '--all', '--dest-tls-verify=false', ...who];
        return rig.run(skopeo ?? '', [
          ...flags,
          `oci:${join(rig.dir, from)}`,
          `docker://${host}/${to}`,
        ]);
      };
      const ci = ['--dest-creds', `ci:${secret}`];
      await push('in:v1', 'demo/app:stable', ...ci);
      const first = await tagAt(rig.url, 'demo/app', 'stable');
      expect(first).toMatch(/^sha256:/);
      expect(await tagAt(cache.url, 'demo/app', 'stable')).toBe(first);
      await push('in2:v2', 'demo/app:stable', ...ci);
      const second = await tagAt(rig.url, 'demo/app', 'stable');
      expect(second).not.toBe(first);
      expect(await tagAt(cache.url, 'demo/app', 'stable')).toBe(second);
      // What lies at the cache of one repository is not taken for another's.
      await push('in:v1', 'demo/other:stable', ...ci);
      expect(await tagAt(rig.url, 'demo/other', 'stable')).toBe(first);
      await expect(push('in:v1', 'closed/app:stable', ...ci)).rejects.toThrow(/denied|forbidden/i);
      // The cache's own token gives nobody a right.
      await expect(push('in:v1', 'demo/app:none')).rejects.toThrow(
        /unauthorized|denied|authentication/i,
      );
      expect(await tagAt(rig.url, 'demo/app', 'none')).toBeNull();
    },
  );

  it.skipIf(podman === undefined)('podman pulls and pushes', async () => {
    const authFile = join(rig.dir, 'auth.json');
    const auth = Buffer.from(`ci:${secret}`).toString('base64');
    await writeFile(authFile, JSON.stringify({ auths: { [host]: { auth } } }));
    const store = ['--storage-driver', 'vfs', '--root', join(rig.dir, 'root')];
    const places = ['--runroot', join(rig.dir, 'run'), '--tmpdir', join(rig.dir, 'tmp')];
    const run = (verb: string, ...args: string[]) =>
      rig.run(podman ?? '', [
        ...store,
        ...places,
        verb,
        '-q',
        '--tls-verify=false',
        '--authfile',
        authFile,
        ...args,
      ]);
    await rig.push(join(rig.dir, 'in'), 'demo/source', 'v1', secret);
    const image = (await run('pull', `${host}/demo/source:v1`)).trim();
    await run('push', image, `${host}/demo/pushed:v1`);
    expect(await tagAt(rig.url, 'demo/pushed', 'v1')).toMatch(/^sha256:/);
    expect((await run('pull', `${host}/demo/pushed:v1`)).trim()).toBe(image);
  });
});
