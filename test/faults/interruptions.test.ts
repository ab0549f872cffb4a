import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { runInterruptions, type InterruptResult } from '../../bench/interrupt/interrupt.ts';

/** As `npm run bench -- interrupt`, with fewer of everything. */
const CYCLES = 40;
const SEED = 20261129;
const DEVICES = 5;

let dir: string;
let result: InterruptResult;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-interruptions-'));
  result = await runInterruptions({
    dist: resolve(import.meta.dirname, '../../dist'),
    dir,
    keep: join(dir, 'findings'),
    cycles: CYCLES,
    kinds: ['kill', 'power cut', 'connection cut'],
    seed: SEED,
    devices: DEVICES,
  });
}, 600_000);

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

it(`runs whole releases and reaches its targets through ${CYCLES} interruptions`, () => {
  const { tally } = result;
  expect(tally.findings).toEqual([]);
  expect(tally.total).toBeGreaterThanOrEqual(CYCLES);
  expect(tally.legs).toBeGreaterThan(DEVICES);
});

it('was struck by kills, power cuts that lost something, and broken links', () => {
  const { cycles, disk } = result.tally;
  expect(cycles.kill).toBeGreaterThan(0);
  expect(cycles['power cut']).toBeGreaterThan(0);
  expect(cycles['connection cut']).toBeGreaterThan(0);
  expect(disk.lostWrites + disk.lostNames).toBeGreaterThan(0);
});

it('fetches little again of what it had', () => {
  const { carried, twiceCarried, twiceHeld } = result.tally.bytes;
  expect(carried).toBeGreaterThan(0);
  // The bench holds it to 1 % over ten thousand; of a hundred one bad moment can be that much.
  expect(twiceHeld / (carried - twiceCarried)).toBeLessThan(0.04);
});
