import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

import type { DeltaPlan, Plan } from '../../../delta/agent/protocol.ts';
import { AgentFixture } from './agent-fixture.ts';
import { runAgent } from './agent-process.ts';
import { decidedPlans } from './decided-plans.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

const PROGRAM_BYTES = 12_000_000;
/** What is asked on a board with 512 MB, Node itself included. */
const MOST_BYTES = 80_000_000;

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let delta: DeltaPlan;
let plans: readonly Plan[];

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, PROGRAM_BYTES));
  two = await store.release(sampleTars(2, PROGRAM_BYTES));
  delta = await store.delta(one, two);
  plans = await decidedPlans(store, one, two, delta);
});

const device = AgentFixture.use(() => store);

interface Use {
  readonly peakBytes: number;
  /** Through write(2) and its kin: files, sockets and pipes. */
  readonly writtenBytes: number;
}

/** Runs the agent and reads at its end what it used. */
async function measure(args: readonly string[]): Promise<Use> {
  const probe = join(device.data, 'probe.mjs');
  const out = join(device.data, 'use.json');
  const code = `import { readFileSync, writeFileSync } from 'node:fs';
process.on('exit', () => {
  const read = (name, pattern) => Number(pattern.exec(readFileSync('/proc/self/' + name, 'latin1'))[1]);
  // Not getrusage(2): its peak begins with that of the process that forked this one.
  const peakBytes = read('status', /VmHWM:\\s+(\\d+) kB/) * 1024;
  const writtenBytes = read('io', /wchar: (\\d+)/);
  writeFileSync(${JSON.stringify(out)}, JSON.stringify({ peakBytes, writtenBytes }));
});`;
  await writeFile(probe, code);
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(probe).href}` };
  const { code: exit, stderr } = await runAgent(args, env);
  expect(exit, stderr).toBe(0);
  return JSON.parse(await readFile(out, 'utf8')) as Use;
}

describe.skipIf(process.platform !== 'linux')('what the server says that a plan takes', () => {
  it.each(['delta', 'chunks', 'full'] as const)(
    'holds for %s, within 80 MB in all',
    async (kind) => {
      const plan = plans.find((candidate) => candidate.kind === kind);
      if (plan?.writeBytes === undefined) throw new Error(`no ${kind} plan`);
      await device.install(one);
      const bare = await measure(['status', '--data', device.data]);
      device.region.offer = { target: two, plans: [plan] };
      const used = await measure(['update', '--data', device.data, '--json']);
      const ram = used.peakBytes - bare.peakBytes;
      process.stdout.write(
        `${kind}: ${ram} bytes of memory (stated ${plan.ramBytes}), ${used.writtenBytes} written (stated ${plan.writeBytes})\n`,
      );
      expect(used.writtenBytes).toBeLessThanOrEqual(plan.writeBytes);
      expect(ram).toBeLessThanOrEqual(plan.ramBytes);
      expect(used.peakBytes).toBeLessThan(MOST_BYTES);
    },
  );
});
