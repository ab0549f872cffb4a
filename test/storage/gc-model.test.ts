import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import timers from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';

import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { TestClock } from '../suites/catalog/names.ts';
import { commands, schedules } from './gc-model/commands.ts';
import { Run } from './gc-model/run.ts';
import { World } from './gc-model/world.ts';

/** Pauses between tries take no time: other operations go on meanwhile as the schedule says. */
function takePausesAway(): void {
  timers.setTimeout = (_ms, value) =>
    new Promise((resolve) => setImmediate(resolve, value as never));
  syncBuiltinESMExports();
}

const RUNS = Number(process.env['RIVULET_GC_MODEL_RUNS'] ?? 150);
const SEED = process.env['RIVULET_GC_MODEL_SEED'];

let scratch: string;
beforeAll(async () => {
  takePausesAway();
  scratch = await mkdtemp(join(tmpdir(), 'rivulet-gc-model-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const clock = new TestClock();
  const catalog = await openSqliteCatalog(':memory:', clock.read);
  try {
    await work(new World(catalog, clock, scratch));
  } finally {
    await catalog.close();
  }
}

test(
  'whatever happens beside collectors, at whatever step it stops: nothing needed is lost, nothing else stays',
  async () => {
    await fc.assert(
      fc.asyncProperty(commands, schedules, async (steps, schedule) => {
        await inWorld(async (world) => {
          const run = new Run(world, schedule);
          await run.play(steps);
          await run.settle();
        });
      }),
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    );
  },
  60_000 + RUNS * 1000,
);
