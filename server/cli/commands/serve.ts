import cluster from 'node:cluster';

import type { Command } from 'commander';

import { loadServerConfig } from '../../config-load.ts';
import type { ServerConfig } from '../../config.ts';
import { refuseOpenDoors } from '../../front-rules.ts';
import { startOrigin } from '../../origin.ts';
import { runPrimary, runServingWorker } from '../../origin-cluster.ts';
import { addFrontOptions, frontFlags, type FrontOptions } from '../front-options.ts';
import { announce, untilSignal } from '../lifecycle.ts';

/** `rivulet serve`: an origin. */
export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run an origin: registry, deltas, update decisions')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--workers <n>', 'processes that serve (default 1)');
  addFrontOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet serve --data ./rivulet-data --listen 127.0.0.1:8480',
    )
    .action(async (options: ServeOptions) => {
      const { config: file, ...flags } = options;
      const config = await loadServerConfig({ flags: frontFlags(flags), env: process.env, file });
      refuseOpenDoors(config);
      await serve(config);
    });
}

interface ServeOptions extends FrontOptions {
  readonly data?: string;
  readonly listen?: string;
  readonly workers?: string;
  readonly publicUrl?: string;
  readonly logLevel?: string;
  readonly config?: string;
}

async function serve(config: ServerConfig): Promise<void> {
  if (cluster.isWorker) {
    await runServingWorker(config, untilSignal);
    return;
  }
  const origin = config.workers === 1 ? await startOrigin(config) : await runPrimary(config);
  announce(origin.url);
  await untilSignal();
  await origin.close();
}
