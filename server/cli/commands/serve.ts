import cluster from 'node:cluster';

import { Option, type Command } from 'commander';

import { loadServerConfig } from '../../config-load.ts';
import type { ServerConfig } from '../../config.ts';
import { startOrigin } from '../../origin.ts';
import { runPrimary, runServingWorker } from '../../origin-cluster.ts';
import { announce, untilSignal } from '../lifecycle.ts';

/** `rivulet serve`: an origin. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run an origin: registry, deltas, update decisions')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option(
      '--listen <host:port>',
      'where to answer; port 0 takes a free one (default 127.0.0.1:8480)',
    )
    .option('--workers <n>', 'processes that serve (default 1)')
    .addOption(new Option('--log-level <level>', 'trace, debug, info, warn, error or silent'))
    .option('--config <file>', 'YAML or JSON settings; flags and RIVULET_* go before it')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet serve --data ./rivulet-data --listen 127.0.0.1:8480',
    )
    .action(async (options: ServeOptions) => {
      const { config: file, ...flags } = options;
      const config = await loadServerConfig({ flags, env: process.env, file });
      await serve(config);
    });
}

interface ServeOptions {
  readonly data?: string;
  readonly listen?: string;
  readonly workers?: string;
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
