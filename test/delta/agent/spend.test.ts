import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import type { ChunksPlan, DeltaPlan, FullPlan } from '../../../delta/agent/protocol.ts';
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

function offer(
  plans: readonly (DeltaPlan | ChunksPlan | FullPlan)[],
  limits: typeof device.region.limits = {},
): void {
  device.region.offer = { target: two, plans };
  device.region.limits = limits;
}

interface UsageJson {
  readonly clock: { readonly atMs: number; readonly wallMs: number };
  readonly periods: Readonly<Record<string, readonly { bytes: number }[]>>;
  readonly targets: readonly { digest: string; bytes: number }[];
}

async function usage(): Promise<UsageJson> {
  return JSON.parse(await readFile(join(device.data, 'usage.json'), 'utf8')) as UsageJson;
}

describe('the ceiling of a decision', () => {
  it('lets a delta that fails be followed by chunks, and counts what both cost on the wire', async () => {
    await device.install(one);
    device.region.flipped.add(delta.digest);
    offer([delta, two.chunks], { maxBytes: 2_000_000 });
    const before = device.region.wireBytes;
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    const spent = Number(result['wireBytes']);
    expect(spent).toBeGreaterThan(Number(result['bytes']));
    // The region also counts the check and the reports of the run.
    const all = device.region.wireBytes - before;
    expect(spent).toBeLessThan(all);
    expect(spent).toBeGreaterThan(all - 20_000);
    expect((await usage()).targets).toEqual([]);
  });

  it('stops before it is broken, keeps what it has, and says so', async () => {
    await device.install(one);
    offer([two.full], { maxBytes: 100_000 });
    const before = device.region.wireBytes;
    const { code, stderr } = await device.update();
    expect(code).toBe(1);
    expect(stderr).toContain('[byte_ceiling]');
    expect(stderr).toContain('100000');
    expect(device.region.wireBytes - before).toBeLessThan(100_000);
    expect(device.region.events.at(-1)?.event).toMatchObject({
      type: 'failed',
      code: 'byte_ceiling',
    });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    const [target] = (await usage()).targets;
    expect(target).toMatchObject({ digest: two.manifest.digest });
    offer([delta, two.full], { maxBytes: 100_000 });
    expect((await device.update()).result).toMatchObject({ outcome: 'updated', plan: 'delta' });
  });

  it('counts what was spent on a release across runs, a killed one too, and plans', async () => {
    await device.install(one);
    offer([two.full], { maxBytes: two.full.size + 200_000 });
    device.region.delayMs = 20;
    const run = device.start();
    const [, layer] = await device.layers(two);
    if (layer === undefined) throw new Error('no layer');
    const part = `${device.fetchStem(layer)}.part`;
    while (((await stat(part).catch(() => undefined))?.size ?? 0) < 400_000) {
      await new Promise((wake) => setTimeout(wake, 10));
    }
    run.child.kill('SIGKILL');
    await run.done;
    device.region.delayMs = 0;
    const [killed] = (await usage()).targets;
    expect(killed?.bytes).toBeGreaterThan(400_000);
    // What the killed run had is lost with its file: the whole layer does not fit any more.
    await writeFile(part, '');
    const { stderr } = await device.update();
    expect(stderr).toContain('[byte_ceiling]');
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    const forgiven = await device.update('--retry');
    expect(forgiven.result).toMatchObject({ outcome: 'updated' });
  });

  it("is lowered by the device's own option, and is none with 0", async () => {
    await device.install(one);
    offer([two.full], { maxBytes: 50_000_000 });
    const low = await device.update('--max-bytes', '100kB');
    expect(low.stderr).toContain('the ceiling of 100000 bytes');
    offer([two.full]);
    expect((await device.update('--max-bytes', '0')).result).toMatchObject({ outcome: 'updated' });
  });

  it('holds against a server that ignores ranges', async () => {
    await device.install(one);
    offer([two.full], { maxBytes: two.full.size + 300_000 });
    device.region.wholeAnswers = true;
    const [, layer] = await device.layers(two);
    if (layer === undefined) throw new Error('no layer');
    device.region.cuts.set(layer, 900_000);
    const { stderr } = await device.update();
    expect(stderr).toContain('[byte_ceiling]');
    const [target] = (await usage()).targets;
    expect(target?.bytes).toBeLessThan(two.full.size + 300_000);
  });
});

describe('a quota', () => {
  it('is spent to its end, says until when it waits, and goes on at the same byte', async () => {
    await device.install(one);
    const spent = (await usage()).periods['hour']?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
    offer([two.full]);
    const before = device.region.wireBytes;
    const quota = spent + 600_000;
    const { code, result } = await device.update('--quota', `hour=${quota},month=1GB`);
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'waiting', reason: 'quota' });
    const untilMs = Number(result['untilMs']);
    expect(untilMs).toBeGreaterThan(Date.now());
    expect(untilMs).toBeLessThan(Date.now() + 3_900_000);
    const used = device.region.wireBytes - before;
    expect(used).toBeLessThanOrEqual(600_000);
    expect(used).toBeGreaterThan(500_000);
    const status = await device.command('status');
    expect(status.result).toMatchObject({ why: { code: 'quota', untilMs } });
    // Within the quota nothing more goes out, for a newer release neither.
    device.region.offer = { target: two, plans: [delta, two.full] };
    const again = await device.update();
    expect(again.result).toMatchObject({ outcome: 'waiting', reason: 'quota' });
    expect(device.region.wireBytes - before).toBeLessThanOrEqual(600_000);
    const { result: done } = await device.update('--quota', 'none');
    expect(done).toMatchObject({ outcome: 'updated' });
  });

  it('does not open for a clock that jumped, and does for uptime', async () => {
    await device.install(one);
    offer([two.full]);
    const spent = (await usage()).periods['hour']?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
    await device.update('--quota', `hour=${spent + 300_000}`);
    const path = join(device.data, 'usage.json');
    const old = await usage();
    for (const years of [10, -10]) {
      const wallMs = old.clock.wallMs - years * 365 * 24 * 3_600_000;
      await writeFile(path, JSON.stringify({ ...old, clock: { ...old.clock, wallMs } }));
      expect((await device.update()).result).toMatchObject({ reason: 'quota' });
    }
    const later = { ...old.clock, atMs: old.clock.atMs + 2 * 3_600_000 };
    await writeFile(path, JSON.stringify({ ...old, clock: later }));
    const { result } = await device.update();
    expect(result).toMatchObject({ outcome: 'updated' });
    expect(Number(result['resumedAt'])).toBeGreaterThan(100_000);
  });

  it('never breaks a chunk off: what was fetched of chunks counts in the next run', async () => {
    await device.install(one);
    const spent = (await usage()).periods['hour']?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
    offer([two.chunks]);
    const first = await device.update('--quota', `hour=${spent + 60_000}`);
    expect(first.result).toMatchObject({ outcome: 'waiting', reason: 'quota' });
    const { result } = await device.update('--quota', 'none');
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
  });

  it('begins anew with a damaged file, which stays aside', async () => {
    await device.install(one);
    const path = join(device.data, 'usage.json');
    await writeFile(path, '{"version":1,');
    offer([delta]);
    expect((await device.update()).result).toMatchObject({ outcome: 'updated' });
    expect(await readFile(`${path}.corrupt`, 'utf8')).toBe('{"version":1,');
    expect((await stat(path)).size).toBeLessThan(10_000);
  });
});

describe('a metered link', () => {
  it('never pulls the image whole where a release runs, whatever an older server offers', async () => {
    offer([two.full]);
    device.region.offer = { target: one, plans: [one.full] };
    expect((await device.update('--metered')).result).toMatchObject({ outcome: 'updated' });
    expect(device.region.checks[0]).toMatchObject({ metered: true });
    offer([two.full]);
    const refused = await device.update();
    expect(refused.stderr).toContain('[no_plan_worked]');
    offer([two.full], { meteredFull: true });
    expect((await device.update()).result).toMatchObject({ outcome: 'updated', plan: 'full' });
    expect((await device.command('update', '--no-metered')).result).toMatchObject({
      outcome: 'up_to_date',
    });
    expect(device.region.checks.at(-1)).not.toHaveProperty('metered');
  });
});
