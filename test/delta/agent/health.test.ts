import { readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 300_000));
  two = await store.release(sampleTars(2, 300_000));
});

const device = AgentFixture.use(() => store);

/** Says no to release 2 only: it looks into the image that it is given. */
function refuseTwo(): string {
  return `! grep -q ${two.manifest.digest} "$RIVULET_IMAGE/index.json" || { echo broken pump >&2; exit 7; }`;
}

async function readState(): Promise<{ run: { phase: string }; refused: string[] }> {
  const text = await readFile(join(device.data, 'state.json'), 'utf8');
  return JSON.parse(text) as { run: { phase: string }; refused: string[] };
}

describe('an unhealthy release', () => {
  it('is left again, reported, and not tried a second time until it changes or is asked for', async () => {
    await device.install(one);
    const { region, data } = device;
    region.offer = { target: two, plans: [two.full] };
    const { code, result, stderr } = await device.update('--health', refuseTwo());
    expect(code).toBe(1);
    expect(result).toMatchObject({
      outcome: 'rolled_back',
      from: two.manifest.digest,
      to: one.manifest.digest,
    });
    expect(stderr).toContain('exit 7: broken pump');
    expect(await wholeCurrent(data)).toBe(one.manifest.digest);
    expect(region.events.at(-1)?.event).toMatchObject({ type: 'rolled_back', code: 'unhealthy' });
    expect((await readState()).run.phase).toBe('rolled_back');

    const again = await device.command('update');
    expect(again.result).toMatchObject({ outcome: 'waiting', reason: 'failed_before' });
    const retried = await device.command('update', '--retry', '--health', 'true');
    expect(retried.result).toMatchObject({ outcome: 'updated', to: two.manifest.digest });
    expect(await wholeCurrent(data)).toBe(two.manifest.digest);
  });

  it('is left when its health command does not answer in time', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.full] };
    const { result } = await device.update('--health', 'sleep 60', '--health-timeout', '1');
    expect(result).toMatchObject({ outcome: 'rolled_back', reason: 'no answer in 1000 ms' });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });

  it('leaves nothing running when there was nothing before', async () => {
    device.region.offer = { target: two, plans: [two.full] };
    const { result } = await device.update('--health', 'false');
    expect(result).toMatchObject({ outcome: 'rolled_back' });
    expect(await wholeCurrent(device.data)).toBeUndefined();
  });

  it('is judged again, or left for good, by the run after a crash in between', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.full] };
    const run = device.start('--health', 'sleep 60');
    while ((await readlink(join(device.data, 'current'))) !== 'slots/b') {
      await new Promise((wake) => setTimeout(wake, 10));
    }
    run.child.kill('SIGKILL');
    await run.done;
    const { result } = await device.update('--health', refuseTwo());
    expect(result).toMatchObject({ outcome: 'rolled_back', to: one.manifest.digest });
    // Killed between the verdict and the switch back: the verdict stands.
    const path = join(device.data, 'state.json');
    const state = JSON.parse(await readFile(path, 'utf8')) as { run: object };
    await writeFile(
      path,
      JSON.stringify({ ...state, run: { ...state.run, phase: 'activated', unhealthy: 'exit 7' } }),
    );
    const later = await device.update('--health', 'true');
    expect(later.result).toMatchObject({ outcome: 'rolled_back', reason: 'exit 7' });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });
});

describe('rollback', () => {
  it('goes to the other release and back, and tells the server', async () => {
    await device.install(one);
    await device.install(two);
    const { code, result } = await device.command('rollback');
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'rolled_back', to: one.manifest.digest });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    expect(device.region.events.at(-1)?.event).toMatchObject({
      type: 'rolled_back',
      code: 'manual',
    });
    expect((await device.command('update')).result).toMatchObject({ outcome: 'waiting' });
    await device.command('rollback');
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
  });

  it('refuses a slot that is damaged, empty or was never verified', async () => {
    const none = await device.command('rollback');
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('[not_installed]');
    await device.install(one);
    expect((await device.command('rollback')).stderr).toContain('[no_rollback]');
    await device.install(two);
    const [, program] = one.diffIds;
    if (program === undefined) throw new Error('no layer');
    await rm(device.slotBlob('a', program));
    const { code, stderr } = await device.command('rollback');
    expect(code).toBe(1);
    expect(stderr).toContain('[no_rollback]');
    expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
  });

  it('has nothing to go back to with --keep 1', async () => {
    await device.install(one);
    device.region.offer = { target: two, plans: [two.full] };
    await device.update('--keep', '1');
    expect((await device.command('rollback')).stderr).toContain('[no_rollback]');
    await expect(readFile(join(device.data, 'slots/a/index.json'))).rejects.toThrow('ENOENT');
  });
});

describe('status', () => {
  it('says what runs, what the last run did and what is queued', async () => {
    expect((await device.command('status')).lines).toMatchObject([
      { event: 'status', queuedReports: 0 },
    ]);
    await device.install(one);
    device.region.eventsDown = true;
    device.region.offer = { target: two, plans: [two.full] };
    await device.update();
    expect((await device.command('status')).result).toMatchObject({
      current: { digest: two.manifest.digest, slot: 'b' },
      previous: { digest: one.manifest.digest },
      last: { outcome: 'updated' },
      queuedReports: 4,
    });
  });
});
