import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';

import type { DeltaPlan } from '../../../delta/agent/protocol.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

const CYCLES = 26;
const TARGET_CYCLES = 10;

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let forth: DeltaPlan;
let back: DeltaPlan;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1));
  two = await store.release(sampleTars(2));
  forth = await store.delta(one, two);
  back = await store.delta(two, one);
});

const device = AgentFixture.use(() => store);

/** Runs the agent and kills it: at a random moment, or after some lines of its output. */
async function killAgent(cycle: number, cleanMs: number, ...more: string[]): Promise<void> {
  const run = device.start('--health', 'sleep 0.05', ...more);
  if (cycle % 2 === 0) {
    await Promise.race([sleep(cleanMs * (0.3 + 0.8 * Math.random())), run.done]);
  } else {
    const lines = 1 + Math.floor(Math.random() * 8);
    await new Promise<void>((resolve) => {
      let seen = 0;
      run.child.stdout?.on('data', (bytes: Buffer) => {
        seen += bytes.toString('utf8').split('\n').length - 1;
        if (seen >= lines) resolve();
      });
      run.child.once('close', () => {
        resolve();
      });
    });
  }
  run.child.kill('SIGKILL');
  await run.done;
}

it(`survives kill -9 at ${CYCLES} random moments with a whole release, and ends in the right one`, async () => {
  const { region, data } = device;
  region.delayMs = 1;
  const startMs = Date.now();
  await device.install(one);
  const cleanMs = Date.now() - startMs;
  const digests = [one.manifest.digest, two.manifest.digest];
  const seen = new Set<string | undefined>();
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    // Four tries for each target, so that later ones meet what earlier ones left.
    const plans = [
      [forth, two.chunks, two.full],
      [back, one.chunks, one.full],
      [two.chunks, two.full],
      [one.full],
    ] as const;
    const leg = Math.floor(cycle / 4) % 4;
    region.offer = { target: leg % 2 === 0 ? two : one, plans: plans[leg] ?? plans[0] };
    await killAgent(cycle, cleanMs);
    const current = await wholeCurrent(data);
    expect(digests).toContain(current);
    seen.add(current);
  }
  region.delayMs = 0;
  const target = (await wholeCurrent(data)) === one.manifest.digest ? two : one;
  region.offer = { target, plans: target === two ? [forth, two.full] : [back, one.full] };
  let last = await device.update();
  // The first clean run may only finish what the last killed one had begun.
  if (last.result['to'] !== target.manifest.digest) last = await device.update();
  expect(last.code, last.stderr).toBe(0);
  expect(await wholeCurrent(data)).toBe(target.manifest.digest);
  expect((await device.command('update')).result).toMatchObject({ outcome: 'up_to_date' });
});

it(`survives kill -9 at ${TARGET_CYCLES} random moments with a whole root folder`, async () => {
  const { region, data } = device;
  const root = join(data, 'root');
  const target = ['--target', `rootfs:${root}`, '--keep', '3'];
  region.offer = { target: one, plans: [one.full] };
  const startMs = Date.now();
  expect((await device.update(...target)).code).toBe(0);
  const cleanMs = Date.now() - startMs;
  for (let cycle = 0; cycle < TARGET_CYCLES; cycle += 1) {
    const next = cycle % 4 < 2 ? two : one;
    region.offer = { target: next, plans: [next.chunks] };
    await killAgent(cycle, cleanMs, ...target);
    const version = await readFile(join(root, 'etc/version'), 'utf8');
    expect(['version 1\n', 'version 2\n']).toContain(version);
    const [, layer] = sampleTars(version === 'version 1\n' ? 1 : 2);
    const program = await readFile(join(root, 'usr/bin/program'));
    expect(program.length).toBe(1_500_000);
    expect(layer?.includes(program)).toBe(true);
    expect([one, two].map(({ manifest }) => manifest.digest)).toContain(await wholeCurrent(data));
  }
  region.offer = { target: two, plans: [two.chunks] };
  await device.update(...target);
  const last = await device.update(...target);
  expect(last.code, last.stderr).toBe(0);
  expect(await wholeCurrent(data)).toBe(two.manifest.digest);
  expect(await readFile(join(root, 'etc/version'), 'utf8')).toBe('version 2\n');
});
