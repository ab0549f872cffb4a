import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Demo } from './demo.ts';

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    dir: { type: 'string', default: join(process.cwd(), '.demo') },
  },
});
const run = join(values.dir, 'run');

await rm(run, { recursive: true, force: true });
const demo = new Demo(join(process.cwd(), '.demo', 'packages'), run);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The servers are processes of their own: an interrupted demo takes them along.
  process.once(signal, () => {
    void demo.stop().finally(() => process.exit(1));
  });
}
try {
  await demo.run();
  if (values.keep) demo.leaveRunning();
} catch (error) {
  process.stderr.write(`demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(`its logs and folders are in ${run}\n`);
  process.exitCode = 1;
} finally {
  if (!values.keep || process.exitCode === 1) await demo.stop();
}
