import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import type { DeltaPlan } from '../../../delta/agent/protocol.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
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

describe('a first install', () => {
  it('installs whole, remembers its options and is then up to date', async () => {
    const { region, data } = device;
    region.offer = { target: one, plans: [one.full] };
    const first = await device.update('--device-id', 'dev-1', '--region', 'eu');
    expect(first.stderr).toBe('');
    expect(first.code).toBe(0);
    expect(first.result).toMatchObject({
      event: 'result',
      outcome: 'updated',
      to: one.manifest.digest,
      plan: 'full',
      bytes: one.full.size,
    });
    expect(await wholeCurrent(data)).toBe(one.manifest.digest);
    expect(region.checks[0]).toMatchObject({ product: 'demo/app', channel: 'latest', current: [] });
    expect([...region.devices]).toEqual(['dev-1']);
    expect(region.eventTypes()).toEqual([
      'downloading full',
      'applied full',
      'booted full',
      'healthy full',
    ]);
    const again = await device.command('update');
    expect(again.result).toMatchObject({ outcome: 'up_to_date', to: one.manifest.digest });
    expect(region.checks[1]).toMatchObject({
      region: 'eu',
      current: [{ kind: 'oci', name: 'demo/app', digest: one.manifest.digest }],
    });
  });

  it('waits when there is no release, with the reason', async () => {
    const { code, result } = await device.update();
    expect(code).toBe(0);
    expect(result).toMatchObject({
      outcome: 'waiting',
      reason: 'no_release',
      retryAfterSeconds: 60,
    });
  });

  it('installs nothing when a layer is not what its digest promises', async () => {
    const { region, data } = device;
    region.offer = { target: one, plans: [one.full] };
    for (const digest of await device.layers(one)) region.flipped.add(digest);
    const { code, stderr } = await device.update();
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('[no_plan_worked]');
    expect(await wholeCurrent(data)).toBeUndefined();
    expect(region.events.at(-1)?.event).toMatchObject({ type: 'failed', code: 'corrupt' });
  });

  it('says that no server answers, and goes on when one does again', async () => {
    const { region, data } = device;
    region.offer = { target: one, plans: [one.full] };
    const dead = 'http://127.0.0.1:9';
    const { code, stderr } = await device.command(
      'update',
      ...['--server', dead, '--product', 'demo/app', '--platform', 'linux/amd64'],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('[unreachable]');
    const both = await device.command('update', '--server', dead, '--server', region.url);
    expect(both.result).toMatchObject({ outcome: 'updated' });
    expect(await wholeCurrent(data)).toBe(one.manifest.digest);
  });
});

describe('an update', () => {
  it('goes by delta, and links the layer that stays', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [delta, two.chunks, two.full] };
    const { code, result, lines } = await device.update();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'delta', bytes: delta.size });
    expect(lines.map((line) => line['event'])).toContain('applied');
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    const asked = new Set(device.region.blobRequests.map((request) => request.digest));
    expect(asked).toEqual(new Set([delta.digest]));
    const [base] = one.diffIds;
    if (base === undefined) throw new Error('no base layer');
    const inodes = await Promise.all(
      (['a', 'b'] as const).map(async (slot) => (await stat(device.slotBlob(slot, base))).ino),
    );
    expect(inodes[0]).toBe(inodes[1]);
  });

  it('goes by chunks, and fetches only what the old release lacks', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks, two.full] };
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    expect(Number(result['bytes'])).toBeLessThan(two.full.size / 2);
  });

  it('does not fetch layers that the old release has in a full plan', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.full] };
    await device.update();
    const layers = await device.layers(two);
    expect(layers.map((digest) => device.ranges(digest).length)).toEqual([0, 1]);
  });

  it('takes the next plan when the delta is corrupt, and says so', async () => {
    await device.install(one);
    const { region } = device;
    region.offer = { target: two, plans: [delta, two.chunks] };
    region.flipped.add(delta.digest);
    const { code, result } = await device.update();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    expect(region.events.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'failed', plan: 'delta', code: 'corrupt' }),
    );
  });

  it('takes the next plan when what was published as a delta is none', async () => {
    await device.install(one);
    const { digest, size } = await store.blobs.putBytes(Buffer.alloc(5000, 1));
    device.region.offer = { target: two, plans: [{ ...delta, digest, size }, two.chunks] };
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(device.region.events.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'failed', plan: 'delta', bytes: 5000, code: 'corrupt' }),
    );
  });

  it('takes the next plan when the delta starts from another release', async () => {
    await device.install(await store.release(sampleTars(9)));
    device.region.offer = { target: two, plans: [delta, two.full] };
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'full' });
    expect(device.ranges(delta.digest)).toEqual([]);
    expect(device.region.events.map(({ event }) => event.code)).toContain('wrong_base');
  });

  it.each([0, 1])(
    'repairs damaged base layer %i: the delta refuses it, chunks fetch what is broken',
    async (layer) => {
      await device.install(one);
      const diffId = one.diffIds[layer];
      if (diffId === undefined) throw new Error('no such layer');
      const file = await open(device.slotBlob('a', diffId), 'r+');
      await file.write(Buffer.from('damaged'), 0, 7, 100_000);
      await file.close();
      device.region.offer = { target: two, plans: [delta, two.chunks] };
      const { result } = await device.update();
      expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
      expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
      const failed = device.region.events.find(({ event }) => event.type === 'failed');
      expect(['wrong_base', 'output_mismatch']).toContain(failed?.event.code);
    },
  );

  it('leaves out plans of a kind that it does not know', async () => {
    await device.install(one);
    const strange = { ...two.full, kind: 'teleport' } as unknown as typeof two.full;
    device.region.offer = { target: two, plans: [strange, two.full] };
    expect((await device.update()).result).toMatchObject({ outcome: 'updated', plan: 'full' });
  });

  it('begins anew with a state file that is damaged, and keeps it aside', async () => {
    await device.install(one);
    const path = join(device.data, 'state.json');
    const file = await open(path, 'w');
    await file.write('{"version":1,"slots":');
    await file.close();
    device.region.offer = { target: two, plans: [two.chunks] };
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', from: one.manifest.digest });
    expect(await readFile(`${path}.corrupt`, 'utf8')).toBe('{"version":1,"slots":');
  });
});
