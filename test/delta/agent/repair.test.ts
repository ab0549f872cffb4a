import { open, readFile, rm, stat } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';

import type { DeltaPlan } from '../../../delta/agent/protocol.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { InProcess, NOTHING } from './in-process.ts';
import { repairReleases } from '../../../delta/agent/repair.ts';
import { Meter } from '../../../delta/agent/meter.ts';
import { cutAfter } from './power-cut.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let delta: DeltaPlan;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1));
  two = await store.release(sampleTars(2));
  delta = await store.delta(one, two);
});

const device = AgentFixture.use(() => store);

/** Bit rot: in place, so in every hard link. */
async function damage(slot: 'a' | 'b', diffId: Digest | undefined, at: number): Promise<void> {
  if (diffId === undefined) throw new Error('no such layer');
  const file = await open(device.slotBlob(slot, diffId), 'r+');
  await file.write(Buffer.from('damaged'), 0, 7, at);
  await file.close();
}

describe('repair', () => {
  it('fetches the chunks that are broken and the index that tells them, and no more', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.chunks]);
    const [base, program] = one.diffIds;
    const whole = await stat(device.slotBlob('a', program ?? base ?? one.config));
    await damage('a', program, 400_000);
    await damage('a', program, 1_200_000);
    device.region.offer = undefined;
    device.region.blobRequests.length = 0;
    const { code, result, stderr } = await device.command('repair');
    expect(code, stderr).toBe(0);
    expect(result).toMatchObject({ outcome: 'repaired', reason: '1 damaged layers' });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    const ranges = device.region.blobRequests.filter(({ range }) => range !== undefined);
    expect(ranges.length).toBeGreaterThanOrEqual(1);
    // Two chunks of at most 256 KiB, of a layer of 1.5 MB that does not compress.
    const bytes = Number(result['bytes']);
    process.stdout.write(`repair: ${bytes} bytes fetched for a layer of ${whole.size}\n`);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(whole.size / 3);
    const again = await device.command('repair');
    expect(again.result).toMatchObject({ outcome: 'up_to_date', bytes: 0 });
  });

  it('mends every link of a layer, in older releases too, and one that is missing', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.chunks]);
    await agent.update(two, [two.chunks]);
    const [base, program] = one.diffIds;
    if (base === undefined || program === undefined) throw new Error('no layers');
    await damage('a', base, 50_000);
    await rm(device.slotBlob('a', program));
    const meter = new Meter();
    await agent.run(async (opened) => {
      expect(await repairReleases(opened, meter)).toMatchObject({ layers: 2 });
      return NOTHING;
    });
    for (const slot of ['a', 'b'] as const) {
      expect(digestOf(await readFile(device.slotBlob(slot, base)))).toBe(base);
    }
    expect(digestOf(await readFile(device.slotBlob('a', program)))).toBe(program);
    const inodes = await Promise.all(
      (['a', 'b'] as const).map(async (slot) => (await stat(device.slotBlob(slot, base))).ino),
    );
    expect(inodes[0]).toBe(inodes[1]);
  });

  it('fetches the layer as pushed where no chunk index was told', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.full]);
    await damage('a', one.diffIds[0], 50_000);
    expect((await device.command('repair')).code).toBe(0);
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    const [pushed] = await device.layers(one);
    expect(device.ranges(pushed ?? one.config).length).toBe(2);
  });

  it('changes nothing when the network is not there, or lies', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.chunks]);
    const [layer] = one.chunks.layers;
    if (layer === undefined) throw new Error('no layer');
    await damage('a', layer.diffId, 50_000);
    const before = await readFile(device.slotBlob('a', layer.diffId));
    device.region.missing.add(layer.index.digest);
    const { code, stderr } = await device.command('repair');
    expect(code).toBe(1);
    expect(stderr).toContain('[missing_blob]');
    expect(await readFile(device.slotBlob('a', layer.diffId))).toEqual(before);
  });

  it('comes before the next plan with --repair auto', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.chunks]);
    await damage('a', one.diffIds[1], 100_000);
    agent.flags = { repair: 'auto' };
    const result = await agent.update(two, [delta, two.chunks]);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'delta' });
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    process.stdout.write(`update of a damaged base: ${result.bytes} bytes with its repair\n`);
    expect(result.bytes).toBeLessThan(two.full.size / 3);
    expect(agent.events).toContainEqual(
      expect.objectContaining({
        event: 'warning',
        message: expect.stringContaining('repaired') as string,
      }),
    );
  });

  it('survives a power cut before each of its steps', async () => {
    const agent = new InProcess(device);
    await agent.remember();
    await agent.update(one, [one.chunks]);
    const [base] = one.diffIds;
    if (base === undefined) throw new Error('no layer');
    let cuts = 0;
    for (let step = 0, isCut = true; isCut; step += 1) {
      await damage('a', base, 50_000);
      const repair = (): Promise<unknown> =>
        agent.run(async (opened) => {
          await repairReleases(opened, new Meter());
          return NOTHING;
        });
      isCut = await cutAfter(step, repair);
      cuts += isCut ? 1 : 0;
      expect((await stat(device.slotBlob('a', base))).size).toBeGreaterThan(200_000);
      await repair();
      expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    }
    expect(cuts).toBeGreaterThan(3);
  });
});
