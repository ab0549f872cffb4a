#!/usr/bin/env node
import { createRequire } from 'node:module';

import { Command } from 'commander';

import { ignoreGoneReaders, runProgram } from './run.ts';

type Add = (program: Command) => void;

/** Each command and what adds it; a command's modules are loaded when it is asked for. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  cache: async () => (await import('./commands/cache.ts')).addCache,
  worker: async () => (await import('./commands/worker.ts')).addWorker,
  push: async () => (await import('./commands/push.ts')).addPush,
  mirror: async () => (await import('./commands/mirror.ts')).addMirror,
  export: async () => (await import('./commands/export.ts')).addExport,
  delta: async () => (await import('./commands/delta.ts')).addDelta,
  status: async () => (await import('./commands/status.ts')).addStatus,
  gc: async () => (await import('./commands/gc.ts')).addGc,
  retention: async () => (await import('./commands/retention.ts')).addRetention,
  fsck: async () => (await import('./commands/fsck.ts')).addFsck,
  backup: async () => (await import('./commands/backup.ts')).addBackup,
  restore: async () => (await import('./commands/restore.ts')).addRestore,
  'migrate-catalog': async () => (await import('./commands/migrate-catalog.ts')).addMigrateCatalog,
  'migrate-store': async () => (await import('./commands/migrate-store.ts')).addMigrateStore,
  token: async () => (await import('./commands/token.ts')).addToken,
};

/** The command that is named, or all of them: for help, and to say what there is. */
async function addersOf(command: string | undefined): Promise<readonly Add[]> {
  const all = Object.entries(COMMANDS);
  const asked = all.filter(([name]) => name === command);
  return Promise.all((asked.length > 0 ? asked : all).map(([, load]) => load()));
}

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

const program = new Command('rivulet')
  .description('Delta updates and content-addressed artifacts for edge fleets')
  .version(version)
  .option('--debug', 'show stack traces')
  .showHelpAfterError('(see --help)')
  .exitOverride();
const named = process.argv.slice(2).find((arg) => !arg.startsWith('-'));
for (const add of await addersOf(named)) add(program);
ignoreGoneReaders();
process.exitCode = await runProgram(program, process.argv);
