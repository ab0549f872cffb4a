import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { runInterruptions } from './interrupt.ts';
import { parseInterruptOptions } from './options.ts';
import { interruptMarkdown, share } from './report.ts';

const DIST = fileURLToPath(new URL('../..', import.meta.url));
const SHOWN_EVERY = 250;
const MEMORY = '/dev/shm';
const MOST_TWICE = 0.01;

/**
 * `npm run bench -- interrupt [--cycles N] [--seed S] [--devices N] [--quick]`: devices that are killed,
 * lose power and lose the network while they update, over and over, and what became of them. Throws
 * when a mark is missed. The same runs short in test/faults/interruptions.test.ts.
 */
export async function benchInterrupt(args: readonly string[]): Promise<void> {
  const { cycles, seed, devices, quick } = parseInterruptOptions(args);
  process.stderr.write(`seed ${seed}\n`);
  const { path: dir, remove } = await makeScratch('interrupt', scratchParent());
  const keep = join(process.cwd(), '.bench', 'interrupt');
  let shown = 0;
  try {
    const result = await runInterruptions({
      dist: DIST,
      dir,
      keep,
      cycles,
      seed,
      devices,
      onProgress: ({ total, findings }) => {
        if (total < shown + SHOWN_EVERY) return;
        shown = total;
        process.stderr.write(`${total} of ${cycles} interruptions, ${findings.length} findings\n`);
      },
    });
    const { tally, costs, seconds } = result;
    const { bytes, cycles: struck, after, disk, findings, legs, runs } = tally;
    const twice = { had: share(bytes.twiceHeld, bytes), any: share(bytes.twiceCarried, bytes) };
    await writeReport(
      quick ? 'interrupt-quick' : 'interrupt',
      interruptMarkdown(result, seed),
      { seed, struck, legs, runs, seconds, bytes, twice, after, disk, costs, findings },
      { args },
    );
    if (findings.length > 0) throw new Error(`${findings.length} findings: see above`);
    if (twice.had >= MOST_TWICE) throw new Error('1 % of the bytes needed or more came twice');
  } finally {
    await remove();
  }
}

/** Files in memory where the machine has them, unless told otherwise: the disk's faults are of our making. */
function scratchParent(): string {
  return process.env['TMPDIR'] === undefined && existsSync(MEMORY) ? MEMORY : tmpdir();
}
