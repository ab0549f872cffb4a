import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import type { CacheGoal, CacheResults } from '../../bench/cache/goals.ts';
import { parseCacheOptions } from '../../bench/cache/options.ts';
import { needTool } from '../clients/require.ts';

const run = promisify(execFile);
const BENCH = resolve(import.meta.dirname, '../../dist/bench/main.js');
const TOOLS = ['wrk', 'curl'];

interface Report extends CacheResults {
  readonly goals: readonly CacheGoal[];
}

describe.skipIf(TOOLS.map(needTool).includes(undefined))('npm run bench -- cache --quick', () => {
  it('one copy from the origin, every copy right, little memory, and all of it without the origin', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'rivulet-bench-test-'));
    try {
      const args = ['cache', '--quick', '--peers', 'rivulet', '--json'];
      const { stdout } = await run(process.execPath, [BENCH, ...args], { cwd });
      const { goals, stampedes, waiters, warm } = JSON.parse(stdout) as Report;
      const { scale } = parseCacheOptions(['--quick']);
      const leaving = Math.floor(scale.clients / 3);
      expect(stampedes).toMatchObject([
        {
          ...{ name: 'rivulet', wrong: 0, broken: 0, left: leaving },
          right: scale.clients - leaving,
          alone: { manifestStatus: 200, blob: 'right' },
        },
      ]);
      expect(waiters).toMatchObject([{ whole: scale.waiters, faults: 0 }]);
      expect(warm.map(({ title }) => title)).toEqual(['4 KiB', '4 MB']);
      for (const { entries } of warm) {
        expect(entries.map(({ title }) => title)).toEqual(['origin', 'rivulet', 'rivulet /v2']);
        for (const { rounds } of entries) expect(rounds[0]?.requests).toBeGreaterThan(0);
        const [, ...caches] = entries;
        // Words with the origin, and no blob.
        for (const { egressBytes } of caches) expect(egressBytes).toBeLessThan(50_000);
      }
      // How fast a loaded machine is says nothing; what was sent and kept does.
      const failed = goals.filter(({ met, title }) => !met && !title.startsWith('serving '));
      expect(failed).toEqual([]);
      expect(await readFile(join(cwd, '.bench/cache-quick.md'), 'utf8')).toContain('## Waiters');
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  }, 300_000);

  it('names the caches there are when one is asked for that is not', async () => {
    await expect(run(process.execPath, [BENCH, 'cache', '--peers', 'harbor'])).rejects.toThrow(
      /no cache harbor: there are rivulet, distribution, zot/,
    );
  });

  it('names the path of a peer at which there is no program', async () => {
    const env = { ...process.env, RIVULET_REGISTRY: '/nowhere/registry' };
    await expect(run(process.execPath, [BENCH, 'cache', '--quick'], { env })).rejects.toThrow(
      /RIVULET_REGISTRY: no program that can be run at \/nowhere\/registry: correct it/,
    );
  });
});
