import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { runAgent, wholeCurrent, type AgentResult } from './agent-process.ts';
import { noise, sampleTars, SampleStore, tarOf, type SampleRelease } from './sample-release.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

let store: SampleStore;
let small: SampleRelease;
let large: SampleRelease;
/** Small on the wire, large on the disk. */
let swelling: SampleRelease;
let next: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  small = await store.release(sampleTars(1, 300_000));
  next = await store.release(sampleTars(2, 300_000));
  large = await store.release([tarOf({ big: noise('large', 9_000_000) })]);
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
});
