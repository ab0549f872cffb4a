import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let three: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1));
  two = await store.release(sampleTars(2));
  three = await store.release(sampleTars(3));
});

const device = AgentFixture.use(() => store);

/** A window in UTC that opens so many hours from now, for an hour. */
function windowIn(hours: number): string {
  const hour = (more: number): string =>
    ((new Date().getUTCHours() + hours + more) % 24).toString().padStart(2, '0');
  return `${hour(0)}:00-${hour(1)}:00`;
}

describe('the install window', () => {
  it('lets the download go ahead, and activation wait; status says until when', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks] };
    const closed = await device.update('--window', windowIn(3), '--zone', 'UTC');
    expect(closed.code).toBe(0);
    expect(closed.result).toMatchObject({ outcome: 'waiting', reason: 'window_closed' });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    expect(two.diffIds.every((diffId) => existsSync(device.slotBlob('b', diffId)))).toBe(true);
    const { result } = await device.command('status');
    const next = { digest: two.manifest.digest, phase: 'verified' };
    expect(result).toMatchObject({ next, why: { code: 'window_closed' } });
    device.region.blobRequests.length = 0;
    expect((await device.update()).result).toMatchObject({ reason: 'window_closed' });
    device.region.checksDown = true;
    expect((await device.update()).result).toMatchObject({ reason: 'window_closed' });
    const open = await device.update('--window', windowIn(0));
    expect(open.result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    expect(device.region.blobRequests).toEqual([]);
  });

  it("binds by the decision's word too, which a later check may change", async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks] };
    device.region.limits = { installWindow: { window: windowIn(3), zone: 'UTC' } };
    expect((await device.update('--window', 'any')).result).toMatchObject({
      reason: 'window_closed',
    });
    device.region.limits = {};
    expect((await device.update()).result).toMatchObject({ outcome: 'updated' });
  });

  it('drops a release that is superseded or withdrawn while it waits', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.chunks] };
    device.region.limits = { installWindow: { window: windowIn(3), zone: 'UTC' } };
    await device.update();
    device.region.offer = { target: three, plans: [three.chunks] };
    expect((await device.update()).result).toMatchObject({ reason: 'window_closed' });
    expect((await device.command('status')).result).toMatchObject({
      next: { digest: three.manifest.digest },
    });
    device.region.offer = { target: one, plans: [one.chunks] };
    expect((await device.update()).result).toMatchObject({ outcome: 'up_to_date' });
    expect((await device.command('status')).result).not.toHaveProperty('next');
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  it('refuses a decision whose window cannot be read', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    device.region.limits = { installWindow: { window: 'whenever', zone: 'UTC' } };
    const { stderr } = await device.update();
    expect(stderr).toContain('installWindow');
    expect(stderr).toContain('[bad_answer]');
  });
});

describe('a later turn', () => {
  it('downloads nothing before it, and then does', async () => {
    device.region.offer = { target: one, plans: [one.full] };
    const notBeforeMs = Date.now() + 3_600_000;
    device.region.limits = { notBeforeMs };
    const { code, result } = await device.update();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'waiting', reason: 'not_before' });
    expect(Math.abs(Number(result['untilMs']) - notBeforeMs)).toBeLessThan(60_000);
    expect(device.region.blobRequests).toEqual([]);
    device.region.limits = { notBeforeMs: Date.now() - 60_000 };
    expect((await device.update()).result).toMatchObject({ outcome: 'updated' });
  });
});

describe('memory', () => {
  it('passes over a plan that needs more than the device gives, and says what', async () => {
    await device.install(one);
    const hungry = { ...two.chunks, ramBytes: 64 * 1024 * 1024 };
    device.region.offer = { target: two, plans: [hungry, two.full] };
    const { result } = await device.update('--max-ram', '32MiB');
    expect(result).toMatchObject({ outcome: 'updated', plan: 'full' });
    expect(device.region.events.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'failed', plan: 'chunks', code: 'plan_needs_more' }),
    );
    const fetched = new Set(device.region.blobRequests.map(({ digest }) => digest));
    expect(two.chunks.layers.some(({ index }) => fetched.has(index.digest))).toBe(false);
  });
});
