import { readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { devicePaths } from '../../../delta/agent/paths.ts';
import { heldReleases } from '../../../delta/agent/releases.ts';
import { rollback } from '../../../delta/agent/rollback.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { InProcess, NOTHING } from './in-process.ts';
import { cutAfter } from './power-cut.ts';
import { noise, sampleTars, SampleStore, tarOf, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
const releases: SampleRelease[] = [];

beforeAll(async () => {
  store = new SampleStore();
  for (let n = 1; n <= 5; n += 1) releases.push(await store.release(sampleTars(n, 100_000)));
});

const device = AgentFixture.use(() => store);

function release(n: number): SampleRelease {
  const found = releases[n - 1];
  if (found === undefined) throw new Error(`no release ${n}`);
  return found;
}

async function held(data = device.data): Promise<readonly number[]> {
  const digests = releases.map(({ manifest }) => manifest.digest);
  return (await heldReleases(devicePaths(data))).map(({ digest }) => 1 + digests.indexOf(digest));
}

describe('older releases', () => {
  it('stay on the device as --keep says, share their layers, and can be gone back to', async () => {
    const agent = new InProcess(device);
    agent.flags = { keep: '4' };
    for (let n = 1; n <= 5; n += 1) await agent.update(release(n));
    expect(await held()).toEqual([5, 4, 3, 2]);
    device.region.checksDown = true;
    device.region.eventsDown = true;
    device.region.blobRequests.length = 0;
    await agent.run((open) => rollback(open, '3'));
    expect(await wholeCurrent(device.data)).toBe(release(2).manifest.digest);
    expect(await held()).toEqual([2, 5, 4, 3]);
    await agent.run((open) => rollback(open, release(4).manifest.digest));
    expect(await wholeCurrent(device.data)).toBe(release(4).manifest.digest);
    await agent.run((open) => rollback(open));
    expect(await held()).toEqual([2, 4, 5, 3]);
    expect(device.region.blobRequests).toEqual([]);
    await expect(agent.run((open) => rollback(open, '4'))).rejects.toMatchObject({
      code: 'no_rollback',
    });
    const { digest } = release(1).manifest;
    await expect(agent.run((open) => rollback(open, digest))).rejects.toThrow('3 older ones');
  });

  it('are fewer once --keep is smaller, and none with 1', async () => {
    const agent = new InProcess(device);
    for (let n = 1; n <= 4; n += 1) await agent.update(release(n));
    expect(await held()).toEqual([4, 3, 2]);
    agent.flags = { keep: '2' };
    await agent.update(release(5));
    expect(await held()).toEqual([5, 4]);
    agent.flags = { keep: '1' };
    await agent.update(release(3));
    expect(await held()).toEqual([3]);
  });

  it('do not count when they proved unhealthy', async () => {
    const agent = new InProcess(device);
    await agent.update(release(1));
    agent.flags = { health: 'false' };
    expect((await agent.update(release(2))).outcome).toBe('rolled_back');
    agent.flags = {};
    await agent.update(release(3));
    expect(await held()).toEqual([3, 1]);
  });

  it('spare the network a release that comes back', async () => {
    const agent = new InProcess(device);
    for (let n = 1; n <= 3; n += 1) await agent.update(release(n));
    device.region.blobRequests.length = 0;
    expect((await agent.update(release(1), [release(1).chunks])).outcome).toBe('updated');
    const asked = device.region.blobRequests.map(({ digest }) => digest);
    expect(new Set(asked)).toEqual(new Set([release(1).manifest.digest, release(1).config]));
    expect(await held()).toEqual([1, 3, 2]);
  });

  it('begin with the two slots that an older agent left, and are gone back to by the program', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(release(1));
    await agent.update(release(2));
    for (const slot of ['a', 'b']) await rm(join(device.data, 'slots', slot, 'chunks.json'));
    const path = join(device.data, 'state.json');
    const { slots, ...state } = JSON.parse(await readFile(path, 'utf8')) as {
      slots: Record<string, { digest: string; verifiedMs: number }>;
    };
    const old = Object.entries(slots).map(([slot, { digest, verifiedMs }]) => [
      slot,
      { digest, verifiedMs },
    ]);
    await writeFile(path, JSON.stringify({ ...state, slots: Object.fromEntries(old) as object }));
    expect((await agent.update(release(3))).outcome).toBe('updated');
    const listed = (await device.command('releases')).result['releases'];
    expect(listed).toMatchObject(
      [3, 2, 1].map((n, back) => ({ digest: release(n).manifest.digest, back })),
    );
    const { code, stderr } = await device.command('rollback', '2');
    expect(code, stderr).toBe(0);
    expect(await wholeCurrent(device.data)).toBe(release(1).manifest.digest);
    const { digest } = release(2).manifest;
    expect((await device.command('rollback', digest)).result).toMatchObject({ to: digest });
    expect((await device.command('rollback', '9')).stderr).toContain('[no_rollback]');
  });

  it('are given up, the oldest first, before an update fails for space', async (context) => {
    const mounted = mountSmallDisk(device.data, 5);
    if (mounted === undefined) {
      context.skip();
      return;
    }
    try {
      const agent = new InProcess(device);
      agent.flags = { keep: '9', minFree: '0' };
      const big: SampleRelease[] = [];
      for (let n = 0; n < 6; n += 1) {
        big.push(await store.release([tarOf({ big: noise(`big ${n}`, 700_000) })]));
      }
      for (const next of big) {
        expect((await agent.update(next, [next.chunks])).outcome).toBe('updated');
      }
      const digests = (await heldReleases(devicePaths(device.data))).map(({ digest }) => digest);
      const newest = big.map(({ manifest }) => manifest.digest).reverse();
      expect(digests.length).toBeGreaterThanOrEqual(2);
      expect(digests.length).toBeLessThan(6);
      expect(digests).toEqual(newest.slice(0, digests.length));
      // One that would not fit even alone costs none of them.
      const huge = await store.release([tarOf({ huge: noise('huge', 6_000_000) })]);
      await expect(agent.update(huge, [huge.chunks])).rejects.toMatchObject({ code: 'no_space' });
      expect(await heldReleases(devicePaths(device.data))).toHaveLength(digests.length);
    } finally {
      mounted.unmount();
    }
  });
});

it('survives a power cut before steps of an update that puts a release away', async () => {
  const agent = new InProcess(device);
  for (let n = 1; n <= 3; n += 1) await agent.update(release(n));
  let cuts = 0;
  for (let step = 0, next = 4, isCut = true; isCut; step += 4, next = 1 + (next % 5)) {
    const before = await wholeCurrent(device.data);
    isCut = await cutAfter(step, () => agent.update(release(next)));
    cuts += isCut ? 1 : 0;
    const after = await wholeCurrent(device.data);
    expect([before, release(next).manifest.digest]).toContain(after);
    // The first clean run may only finish what was begun.
    await agent.update(release(next));
    await agent.update(release(next));
    expect(await wholeCurrent(device.data)).toBe(release(next).manifest.digest);
    expect((await held()).length).toBe(3);
    expect(new Set(await held()).size).toBe(3);
  }
  expect(cuts).toBeGreaterThan(8);
});

it('survives a power cut before each step of going back to a kept release', async () => {
  const agent = new InProcess(device);
  for (let n = 1; n <= 3; n += 1) await agent.update(release(n));
  let cuts = 0;
  for (let step = 0, isCut = true; isCut; step += 1) {
    const before = await wholeCurrent(device.data);
    const [, , oldest = 0] = await held();
    const to = release(oldest).manifest.digest;
    isCut = await cutAfter(step, () => agent.run((open) => rollback(open, '2')));
    cuts += isCut ? 1 : 0;
    expect([before, to]).toContain(await wholeCurrent(device.data));
    expect(new Set(await held()).size).toBe(3);
    if (isCut) {
      // Opening the folder finishes what had begun; what had not is asked for again.
      await agent.run(async (open) => {
        const current = await wholeCurrent(open.paths.root);
        return current === to ? NOTHING : rollback(open, to);
      });
    }
    expect(await wholeCurrent(device.data)).toBe(to);
    expect(await readdir(join(device.data, 'kept'))).toHaveLength(1);
  }
  expect(cuts).toBeGreaterThan(10);
  expect(await readlink(join(device.data, 'current'))).toMatch(/^slots\/[ab]$/);
});
