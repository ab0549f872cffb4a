import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { PartSums } from '../../../delta/agent/part-sums.ts';
import type { Digest } from '../../../storage/digest.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1));
  two = await store.release(sampleTars(2));
});

const device = AgentFixture.use(() => store);

async function programLayer(release: SampleRelease): Promise<Digest> {
  const [, layer] = await device.layers(release);
  if (layer === undefined) throw new Error('no program layer');
  return layer;
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  return found?.size ?? 0;
}

/** A range that was asked for takes in torn bytes and not much more. */
function expectHole(range: string | undefined, tornAt: number, bytes: number): void {
  const [first = 0, last = 0] = (range ?? '').slice('bytes='.length).split('-').map(Number);
  expect(first).toBeLessThanOrEqual(tornAt);
  expect(last).toBeGreaterThanOrEqual(tornAt + bytes - 1);
  expect(last - first).toBeLessThan(2 * 4096);
}

describe('a download', () => {
  it('goes on at the byte it had when the connection is cut', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    device.region.cuts.set(layer, 700_000);
    const { result } = await device.update();
    expect(result).toMatchObject({
      outcome: 'updated',
      resumedAt: 700_000,
      bytes: one.full.size,
    });
    expect(device.ranges(layer)).toEqual([undefined, 'bytes=700000-']);
    expect(device.region.blobRequests.findLast(({ digest }) => digest === layer)).toMatchObject({
      status: 206,
      ifRange: `"${layer}"`,
    });
  });

  it('keeps what it had when a captive portal answers instead', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    device.region.cuts.set(layer, 700_000);
    device.region.onCut = () => {
      device.region.portals.add(layer);
    };
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', resumedAt: 700_000, bytes: one.full.size });
    expect(device.ranges(layer)).toEqual([undefined, 'bytes=700000-', 'bytes=700000-']);
  });

  it('goes on inside a range of a pack when the connection is cut', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks] };
    const whole = await device.update();
    const ranged = device.region.blobRequests.find(({ range }) => range !== undefined);
    if (ranged?.range === undefined) throw new Error('no range was asked for');
    const [from = 0, to = 0] = ranged.range.slice('bytes='.length).split('-').map(Number);
    await rm(join(device.data, 'current'));
    await rm(join(device.data, 'slots'), { recursive: true });
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks] };
    device.region.cuts.set(ranged.digest, 10_000);
    const { result } = await device.update();
    expect(result).toMatchObject({
      outcome: 'updated',
      plan: 'chunks',
      bytes: whole.result['bytes'],
      resumedAt: from + 10_000,
    });
    expect(device.ranges(ranged.digest)).toContain(`bytes=${from + 10_000}-${to}`);
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
  });

  it.each([
    ['keeps the half of a chunk frame for the next run', 'right'],
    ['fetches of the half of a chunk frame only what was torn', 'torn'],
    ['fetches a chunk frame again whose half was wrong when it came', 'wrong'],
  ] as const)('%s', async (_name, half) => {
    const { region } = device;
    await device.install(one);
    region.offer = { target: two, plans: [two.chunks] };
    await device.update();
    const ranged = region.blobRequests.find(({ range }) => range !== undefined);
    if (ranged?.range === undefined) throw new Error('no range was asked for');
    const [from = 0, to = 0] = ranged.range.slice('bytes='.length).split('-').map(Number);
    await rm(join(device.data, 'current'));
    await rm(join(device.data, 'slots'), { recursive: true });
    await device.install(one);
    region.offer = { target: two, plans: [two.chunks] };
    region.cuts.set(ranged.digest, 10_000);
    region.onCut = () => {
      region.silent = true;
    };
    expect((await device.update('--stall-timeout', '1')).code).toBe(1);
    region.silent = false;
    region.blobRequests.length = 0;
    const path = `${device.fetchStem(ranged.digest)}.sparse`;
    const file = await open(path, 'r+');
    if (half !== 'right') await file.write(Buffer.alloc(100, 7), 0, 100, from + 5000);
    if (half === 'wrong') {
      const { buffer } = await file.read(Buffer.alloc(10_000), 0, 10_000, from);
      const sums = await PartSums.open(`${path}.sums`);
      await sums.add(from, buffer);
      await sums.sync();
      await sums.close();
    }
    await file.close();
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    const asked = device.ranges(ranged.digest);
    const rest = `bytes=${from + 10_000}-${to}`;
    if (half === 'right') expect(asked).toEqual([rest]);
    if (half === 'torn') {
      expect(asked.slice(1)).toEqual([rest]);
      expectHole(asked[0], from + 5000, 100);
    }
    if (half === 'wrong') {
      expect(asked).toEqual([rest, expect.stringMatching(new RegExp(`^bytes=${from}-`))]);
    }
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
  });

  it('goes on at the byte it had after kill -9, and counts it', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    device.region.delayMs = 20;
    const run = device.start();
    const part = `${device.fetchStem(layer)}.part`;
    while ((await sizeOf(part)) < 200_000) await new Promise((wake) => setTimeout(wake, 10));
    run.child.kill('SIGKILL');
    await run.done;
    const had = await sizeOf(part);
    device.region.delayMs = 0;
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', resumedAt: had, bytes: one.full.size });
    expect(device.ranges(layer)).toEqual([undefined, `bytes=${had}-`]);
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  it('stops at SIGTERM with what it has, and goes on later', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    device.region.delayMs = 20;
    const run = device.start();
    const part = `${device.fetchStem(layer)}.part`;
    while ((await sizeOf(part)) < 100_000) await new Promise((wake) => setTimeout(wake, 10));
    run.child.kill('SIGTERM');
    const stopped = await run.done;
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain('[aborted]');
    expect(stopped.stderr.trim().split('\n')).toHaveLength(1);
    const had = await sizeOf(part);
    device.region.delayMs = 0;
    expect((await device.update()).result).toMatchObject({ outcome: 'updated', resumedAt: had });
  });

  it('starts anew when the server has another version of the blob', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    device.region.cuts.set(layer, 300_000);
    const { region } = device;
    const run = device.start();
    while (device.ranges(layer).length === 0) await new Promise((wake) => setTimeout(wake, 5));
    region.version = 'another';
    const { result } = await run.done;
    expect(result).toMatchObject({ outcome: 'updated' });
    expect(result['resumedAt']).toBeUndefined();
    expect(region.blobRequests.findLast(({ digest }) => digest === layer)).toMatchObject({
      range: 'bytes=300000-',
      status: 200,
    });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  /** Lets an update come to 600,000 bytes of the layer. */
  async function leavePart(layer: Digest): Promise<void> {
    const { region } = device;
    region.offer = { target: one, plans: [one.full] };
    region.cuts.set(layer, 600_000);
    region.onCut = () => {
      region.silent = true;
    };
    expect((await device.update('--stall-timeout', '1')).code).toBe(1);
    region.silent = false;
    region.blobRequests.length = 0;
  }

  it('keeps what it has when a proxy without ranges sends all of it and breaks off', async () => {
    const { region } = device;
    const layer = await programLayer(one);
    await leavePart(layer);
    region.wholeAnswers = true;
    region.cuts.set(layer, 300_000);
    region.onCut = () => {
      region.wholeAnswers = false;
    };
    expect((await device.update()).result).toMatchObject({ outcome: 'updated' });
    expect(device.ranges(layer)).toEqual(['bytes=600000-', 'bytes=600000-']);
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  it('fetches anew what an older agent left when it is not the blob', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    await mkdir(join(device.data, 'fetch'), { recursive: true });
    await writeFile(`${device.fetchStem(layer)}.part`, Buffer.alloc(100_000));
    await writeFile(`${device.fetchStem(layer)}.etag`, `"${layer}"`);
    expect((await device.update()).result).toMatchObject({ outcome: 'updated' });
    expect(device.ranges(layer)).toEqual(['bytes=100000-', undefined]);
  });

  it('goes on after the part of an older agent, which has no sums', async () => {
    const layer = await programLayer(one);
    await leavePart(layer);
    await rm(`${device.fetchStem(layer)}.sums`);
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', bytes: one.full.size });
    expect(device.ranges(layer)).toEqual(['bytes=600000-']);
  });

  it.each([590_000, 1000])('fetches only what a power cut has torn at byte %i', async (tornAt) => {
    const layer = await programLayer(one);
    await leavePart(layer);
    const file = await open(`${device.fetchStem(layer)}.part`, 'r+');
    await file.write(Buffer.alloc(100, 7), 0, 100, tornAt);
    await file.close();
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', bytes: one.full.size });
    const [hole, ...rest] = device.ranges(layer);
    expectHole(hole, tornAt, 100);
    expect(rest).toEqual(['bytes=600000-']);
    expect(device.region.blobRequests.findLast(({ digest }) => digest === layer)).toMatchObject({
      status: 206,
      ifRange: `"${layer}"`,
    });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  it('gives a silent server up, keeps what it had, and goes on in the next run', async () => {
    const { region } = device;
    region.offer = { target: one, plans: [one.full] };
    const layer = await programLayer(one);
    region.cuts.set(layer, 100_000);
    region.onCut = () => {
      region.silent = true;
    };
    const { code, stderr } = await device.update('--stall-timeout', '1');
    expect(code).toBe(1);
    expect(stderr).toContain('no byte for 1000 ms');
    expect(stderr).toContain('[unreachable]');
    expect(await wholeCurrent(device.data)).toBeUndefined();
    region.silent = false;
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', resumedAt: 100_000, bytes: one.full.size });
  });

  it('carries out an unfinished decision when no server answers checks and all bytes are here', async () => {
    const { region } = device;
    region.offer = { target: one, plans: [one.full] };
    const killed = device.start();
    await new Promise<void>((resolve) => {
      killed.child.stdout?.on('data', (bytes: Buffer) => {
        if (bytes.toString('utf8').includes('"event":"apply"')) resolve();
      });
      void killed.done.then(() => {
        resolve();
      });
    });
    killed.child.kill('SIGKILL');
    await killed.done;
    region.checksDown = true;
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', to: one.manifest.digest });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });
});
