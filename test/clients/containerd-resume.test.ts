import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { writeRelease } from '../../bench/demo/release.ts';
import { writeTar } from '../../bench/demo/tar-writer.ts';
import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { configOf, noise, silent } from '../server/cache/tools.ts';
import { startClientRig, type ClientRig } from './client-rig.ts';
import { startContainerd, type Containerd } from './containerd.ts';
import { startCuttingProxy, type CuttingProxy } from './cutting-proxy.ts';
import { needRootTool, needTool } from './require.ts';

const containerd = needRootTool('containerd');
const ctr = needTool('ctr');

/** It writes what it has in steps of a MiB: the half of this is several. */
const LARGE = 12_000_000;

describe.skipIf(containerd === undefined || ctr === undefined)('containerd, resuming', () => {
  const programs = { containerd: containerd ?? '', ctr: ctr ?? '' };
  let rig: ClientRig;
  let cache: RunningCache;
  let node: Containerd;
  let proxy: CuttingProxy | undefined;
  let reference: string;

  beforeAll(async () => {
    rig = await startClientRig('containerd');
    const file = { path: 'large', mode: 0o644, bytes: noise(LARGE) };
    const layers = [{ what: 'large', tar: writeTar([file]) }];
    const platform = { os: 'linux', architecture: 'amd64' };
    await writeRelease(join(rig.dir, 'in'), 'v1', [{ platform, layers }]);
    await rig.push(join(rig.dir, 'in'), 'demo/large', 'v1');
    reference = `${rig.host}/demo/large:v1`;
    cache = await startCache(configOf(rig.url, join(rig.dir, 'cache'), {}), silent);
  });
  afterAll(async () => {
    await cache.close();
    await rig.close();
  });
  beforeEach(async () => {
    node = await startContainerd(programs, rig.env);
  });
  afterEach(async () => {
    await proxy?.close();
    await node.stop();
  });

  /** Pulls, and dies in the middle of the layer. */
  async function pullHalf(through: CuttingProxy): Promise<void> {
    through.limit(LARGE / 2, 'stall');
    const args = ['images', 'pull', '--hosts-dir', node.hostsDir, '--platform', 'linux/amd64'];
    const options = { env: rig.env, stdio: 'ignore' } as const;
    const child = spawn(programs.ctr, ['--address', node.socket, ...args, reference], options);
    const exited = once(child, 'exit');
    await through.met();
    // The bytes have left the proxy; containerd has yet to write them.
    await vi.waitUntil(async () => (await node.ingested()) > 1_000_000, { timeout: 20_000 });
    child.kill('SIGKILL');
    await exited;
    through.limit(Infinity, 'cut');
  }

  for (const tier of ['origin', 'cache'] as const) {
    it(`takes up a layer where the last try ended, from the ${tier}`, async () => {
      proxy = await startCuttingProxy(tier === 'origin' ? rig.url : cache.url);
      await node.mirror(rig.host, proxy.url);
      await pullHalf(proxy);
      expect(proxy.ranges).toEqual([]);
      await node.pull(reference, '--platform', 'linux/amd64');
      expect(proxy.ranges).toHaveLength(1);
      const start = Number(/^bytes=(\d+)-$/.exec(proxy.ranges[0] ?? '')?.[1]);
      expect(start).toBeGreaterThan(1_000_000);
      expect(await node.contents()).toHaveLength(4);
    });

    it(`goes on by itself when the ${tier}'s connection is cut`, async () => {
      proxy = await startCuttingProxy(tier === 'origin' ? rig.url : cache.url);
      await node.mirror(rig.host, proxy.url);
      proxy.limit(LARGE * 0.75, 'cut');
      await node.pull(reference, '--platform', 'linux/amd64');
      expect(proxy.ranges).toEqual([expect.stringMatching(/^bytes=\d+-$/)]);
      expect(await node.contents()).toHaveLength(4);
    });
  }
});
