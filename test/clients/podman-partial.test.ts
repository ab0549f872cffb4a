import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { configOf, noise, silent } from '../server/cache/tools.ts';
import { startClientRig, type ClientRig } from './client-rig.ts';
import { mountsBelow } from './containerd.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { needRootTool } from './require.ts';

const podman = needRootTool('podman');

/** As many ranges as containers/image puts into one header; of more it joins some. */
const FILES = 1024;
/** Of so many files one is other in the second version. */
const CHANGED = 4;

function fileOf(number: number, version: number): Buffer {
  const seed = version > 0 && number % CHANGED === 0 ? 2 : 1;
  return noise(200 + number, seed).subarray(number % 64);
}

describe.skipIf(podman === undefined)('podman, pulling parts of zstd:chunked layers', () => {
  let rig: ClientRig;
  let cache: RunningCache;

  beforeAll(async () => {
    rig = await startClientRig('podman');
    cache = await startCache(configOf(rig.url, join(rig.dir, 'cache'), {}), silent);
    const tree = join(rig.dir, 'context/tree');
    await mkdir(tree, { recursive: true });
    await writeFile(join(rig.dir, 'context/Containerfile'), 'FROM scratch\nCOPY tree /tree\n');
    const storage = await storageOf('build', 'vfs');
    for (const version of [0, 1]) {
      for (let number = 0; number < FILES; number += 1) {
        await writeFile(join(tree, String(number)), fileOf(number, version));
      }
      const image = `${rig.host}/demo/parts:v${version}`;
      await run(storage, 'build', '-q', '--isolation', 'chroot', '-t', image, 'context');
      const zstd = ['--compression-format', 'zstd:chunked', '--tls-verify=false'];
      await run(storage, 'push', '-q', ...zstd, image);
    }
  });
  afterAll(async () => {
    expect(await mountsBelow(rig.dir)).toEqual([]);
    await cache.close();
    await rig.close();
  });

  /** A storage of its own; returns its configuration's file. */
  async function storageOf(name: string, driver: string): Promise<string> {
    const folder = join(rig.dir, `storage-${name}`);
    await mkdir(folder);
    const lines = [
      '[storage]',
      `driver = "${driver}"`,
      `graphroot = "${join(folder, 'root')}"`,
      `runroot = "${join(folder, 'run')}"`,
      '[storage.options]',
      'pull_options = {enable_partial_images = "true"}',
      '',
    ];
    await writeFile(join(folder, 'storage.conf'), lines.join('\n'));
    return join(folder, 'storage.conf');
  }

  const run = (storage: string, ...args: string[]) =>
    rig.run(podman ?? '', ['--tmpdir', join(rig.dir, 'tmp'), ...args], {
      env: { ...rig.env, CONTAINERS_STORAGE_CONF: storage },
    });

  for (const tier of ['origin', 'cache'] as const) {
    it(`reads a thousand ranges at once from the ${tier}, then only what changed`, async () => {
      const storage = await storageOf(tier, 'overlay');
      const proxy = await startCuttingProxy(tier === 'origin' ? rig.url : cache.url);
      try {
        const { host } = new URL(proxy.url);
        const asked: number[] = [];
        for (const version of [0, 1]) {
          const image = `${host}/demo/parts:v${version}`;
          const before = proxy.ranges.length;
          await run(storage, 'pull', '-q', '--tls-verify=false', image);
          asked.push(...proxy.ranges.slice(before).map((range) => range.split(',').length));
          const root = (await run(storage, 'image', 'mount', image)).trim();
          try {
            for (let number = 0; number < FILES; number += 1) {
              const bytes = await readFile(join(root, 'tree', String(number)));
              expect(bytes.equals(fileOf(number, version))).toBe(true);
            }
          } finally {
            await run(storage, 'image', 'umount', image);
          }
        }
        // The table of contents first, then the files.
        expect(asked).toEqual([1, FILES, 1, FILES / CHANGED]);
      } finally {
        await proxy.close();
      }
    });
  }
});
