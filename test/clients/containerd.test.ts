import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { WrittenImage } from '../../bench/demo/release.ts';
import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { configOf, silent, statusOf } from '../server/cache/tools.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { mountsBelow, startContainerd, type Containerd } from './containerd.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';

const containerd = needRootTool('containerd');
const ctr = needTool('ctr');

const ELSEWHERE = 'registry.example.test';

describe.skipIf(containerd === undefined || ctr === undefined)('containerd', () => {
  const programs = { containerd: containerd ?? '', ctr: ctr ?? '' };
  let rig: ClientRig;
  let release: readonly WrittenImage[];
  let indexDigest: string;
  /** A fresh one for each test: nothing is there before it is pulled. */
  let node: Containerd;

  beforeAll(async () => {
    rig = await startClientRig('containerd');
    release = await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    indexDigest = await rig.push(join(rig.dir, 'in'), 'demo/app', 'v1');
    printVersion('containerd', await rig.run(programs.containerd, ['--version']));
  });
  afterAll(() => rig.close());
  beforeEach(async () => {
    node = await startContainerd(programs, rig.env);
  });
  afterEach(async () => {
    await node.stop();
    expect(await mountsBelow(node.dir)).toEqual([]);
  });

  /** Digests of the index and of all below it, sorted. */
  function everything(): readonly string[] {
    const below = release.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers]);
    return [...new Set([indexDigest, ...below.map(({ digest }) => digest)])].sort();
  }

  it('pulls one platform from a mirror by hosts.toml, and unpacks it', async () => {
    await node.mirror(ELSEWHERE, rig.url);
    await node.pull(`${ELSEWHERE}/demo/app:v1`, '--platform', 'linux/arm64');
    expect(await node.ctr('images', 'ls')).toContain(indexDigest);
    const arm64 = release.find(({ platform }) => platform.architecture === 'arm64');
    const layers = arm64?.layers.map(({ digest }) => digest) ?? [];
    const pulled = await node.contents();
    expect(pulled).toEqual(expect.arrayContaining(layers));
    expect(pulled.length).toBeLessThan(everything().length);
    const snapshots = (await node.ctr('snapshots', 'ls')).trim().split('\n');
    expect(snapshots).toHaveLength(1 + layers.length);
  });

  it('pulls all platforms by digest, and pushes them elsewhere', async () => {
    await node.mirror(ELSEWHERE, rig.url);
    const reference = `${ELSEWHERE}/demo/app@${indexDigest}`;
    await node.pull(reference, '--all-platforms');
    expect(await node.contents()).toEqual(everything());
    // With `ns=` on every request of the uploads, too.
    const to = `${ELSEWHERE}/demo/pushed:v2`;
    await node.ctr('images', 'push', '--hosts-dir', node.hostsDir, to, reference);
    const pushed = (path: string) => fetch(`${rig.url}/v2/demo/pushed/${path}`, { method: 'HEAD' });
    const tagged = await pushed('manifests/v2');
    expect(tagged.headers.get('docker-content-digest')).toBe(indexDigest);
    for (const { digest, size } of release.flatMap(({ layers }) => layers)) {
      const blob = await pushed(`blobs/${digest}`);
      expect(blob.headers.get('content-length')).toBe(String(size));
    }
    // Straight to the origin, by its own name; everything is there already.
    await node.ctr('images', 'push', '--plain-http', `${rig.host}/demo/app:again`, reference);
  });

  it('fetches without unpacking, and says that an image is missing', async () => {
    const fetchContent = (reference: string) =>
      node.ctr('content', 'fetch', '--plain-http', '--all-platforms', reference);
    await fetchContent(`${rig.host}/demo/app:v1`);
    expect(await node.contents()).toEqual(everything());
    await expect(fetchContent(`${rig.host}/demo/app:absent`)).rejects.toThrow(/not found/);
  });

  describe('through a regional cache', () => {
    let cache: RunningCache;

    beforeEach(async () => {
      cache = await startCache(configOf(rig.url, join(node.dir, 'cache'), {}), silent);
    });
    afterEach(() => cache.close());

    it('pulls all platforms, the second time without the origin’s bytes', async () => {
      const filled = async () => Number((await statusOf(cache.url))['egressBytes']);
      // The cache answers for its origin's name, which `ns=` carries.
      await node.mirror(rig.host, cache.url);
      const reference = `${rig.host}/demo/app:v1`;
      await node.pull(reference, '--all-platforms');
      expect(await node.contents()).toEqual(everything());
      const cold = await filled();
      await node.ctr('images', 'rm', '--sync', reference);
      expect(await node.contents()).toEqual([]);
      await node.pull(reference, '--all-platforms');
      expect(await node.contents()).toEqual(everything());
      expect((await filled()) - cold).toBeLessThan(cold / 50);
    });

    it('gets nothing under a name that the cache does not answer for', async () => {
      await node.mirror(ELSEWHERE, cache.url);
      const asked = node.pull(`${ELSEWHERE}/demo/app:v1`);
      await expect(asked).rejects.toThrow(/response was http.StatusNotFound/);
      expect(await node.contents()).toEqual([]);
    });
  });
});
