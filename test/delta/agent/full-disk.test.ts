import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { runAgent, startAgent, wholeCurrent, type AgentResult } from './agent-process.ts';
import { noise, sampleTars, SampleStore, tarOf, type SampleRelease } from './sample-release.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

let store: SampleStore;
let small: SampleRelease;
let large: SampleRelease;
let middle: SampleRelease;
/** Small on the wire, large on the disk. */
let swelling: SampleRelease;
let next: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  small = await store.release(sampleTars(1, 300_000));
  next = await store.release(sampleTars(2, 300_000));
  large = await store.release([tarOf({ big: noise('large', 9_000_000) })]);
  middle = await store.release([tarOf({ middle: noise('middle', 2_000_000) })]);
  swelling = await store.release([tarOf({ zeros: Buffer.alloc(9_000_000) })]);
});

const device = AgentFixture.use(() => store);

describe('a full disk', () => {
  it('keeps the old release, says what is needed, and the next small release goes in', async (context) => {
    const disk = join(device.data, 'disk');
    await mkdir(disk);
    const mounted = mountSmallDisk(disk, 6);
    if (mounted === undefined) {
      context.skip();
      return;
    }
    try {
      const update = (release: SampleRelease): Promise<AgentResult> => {
        device.region.offer = { target: release, plans: [release.full] };
        const base = ['update', '--json', '--data', disk, '--server', device.region.url];
        return runAgent([...base, '--product', 'demo/app', '--platform', 'linux/amd64']);
      };
      expect((await update(small)).code).toBe(0);
      for (const release of [large, swelling]) {
        const { code, stderr } = await update(release);
        expect(code).toBe(1);
        expect(stderr).toContain('free some space');
        expect(stderr).toContain('[no_space]');
        expect(await wholeCurrent(disk)).toBe(small.manifest.digest);
        const state = JSON.parse(await readFile(join(disk, 'state.json'), 'utf8')) as object;
        expect(state).toMatchObject({ last: { outcome: 'failed', code: 'no_space' } });
        expect(device.region.events.at(-1)?.event).toMatchObject({
          type: 'failed',
          code: 'no_space',
        });
      }
      expect((await update(next)).result).toMatchObject({ outcome: 'updated' });
      expect(await wholeCurrent(disk)).toBe(next.manifest.digest);
    } finally {
      mounted.unmount();
    }
  });

  it('keeps the floor free: refuses what will not fit, and stops when others fill the disk', async (context) => {
    const disk = join(device.data, 'disk');
    await mkdir(disk);
    const mounted = mountSmallDisk(disk, 8);
    if (mounted === undefined) {
      context.skip();
      return;
    }
    try {
      const args = ['update', '--json', '--data', disk, '--server', device.region.url];
      const more = ['--product', 'demo/app', '--platform', 'linux/amd64'];
      device.region.offer = { target: middle, plans: [middle.full] };
      const { stderr } = await runAgent([...args, ...more, '--min-free', '4MiB']);
      expect(stderr).toMatch(/needs \d+ bytes and 4194304 have to stay free, .* has \d+; free/);
      expect(stderr).toContain('[no_space]');
      expect(device.region.blobRequests.length).toBeLessThanOrEqual(2);
      const run = startAgent([...args, ...more, '--min-free', '2MiB']);
      device.region.delayMs = 30;
      while (device.region.blobRequests.length < 3) {
        await new Promise((wake) => setTimeout(wake, 10));
      }
      const { bavail, bsize } = await statfs(disk);
      const filler = Buffer.alloc(bavail * bsize - 3 * 1024 * 1024);
      await writeFile(join(disk, 'somebody-else'), filler);
      const { code, stderr: full } = await run.done;
      expect(code).toBe(1);
      expect(full).toContain('2097152 have to stay so');
      const after = await statfs(disk);
      expect(after.bavail * after.bsize).toBeGreaterThanOrEqual(2 * 1024 * 1024);
      device.region.delayMs = 0;
      await rm(join(disk, 'somebody-else'));
      expect((await runAgent(args.concat(more))).result).toMatchObject({ outcome: 'updated' });
    } finally {
      mounted.unmount();
    }
  });
});
