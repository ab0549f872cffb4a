/** An origin in a process of its own that tells what it holds. Its argument: settings as JSON. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { announce, untilSignal } from '../../server/cli/lifecycle.ts';
import { loadServerConfig } from '../../server/config-load.ts';
import { startOrigin } from '../../server/origin.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const flags = JSON.parse(process.argv[2] ?? '{}') as Record<string, unknown>;
const env = { RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
const origin = await startOrigin(await loadServerConfig({ flags, env }));

/** Answers SIGUSR2 with what is left after a collection. */
process.on('SIGUSR2', () => {
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const memory = { event: 'memory', heapUsed, external, arrayBuffers };
  process.stdout.write(`${JSON.stringify(memory)}\n`);
});
// A test that was killed leaves nothing running.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 1000).unref();
announce(origin.url);
await untilSignal();
await origin.close();
