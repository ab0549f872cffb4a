#!/usr/bin/env node
import { createRequire } from 'node:module';

import { Command } from 'commander';

import { addCache } from './commands/cache.ts';
import { addDelta } from './commands/delta.ts';
import { addFsck } from './commands/fsck.ts';
import { addGc } from './commands/gc.ts';
import { addPush } from './commands/push.ts';
import { addServe } from './commands/serve.ts';
import { addStatus } from './commands/status.ts';
import { addToken } from './commands/token.ts';
import { addWorker } from './commands/worker.ts';
import { ignoreGoneReaders, runProgram } from './run.ts';

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

const program = new Command('rivulet')
  .description('Delta updates and content-addressed artifacts for edge fleets')
  .version(version)
  .option('--debug', 'show stack traces')
  .showHelpAfterError('(see --help)')
  .exitOverride();
for (const add of [
  addServe,
  addCache,
  addWorker,
  addPush,
  addDelta,
  addStatus,
  addGc,
  addFsck,
  addToken,
]) {
  add(program);
}
ignoreGoneReaders();
process.exitCode = await runProgram(program, process.argv);
