import type { Command } from 'commander';

import { loadServerConfig } from '../../config-load.ts';
import { startBuilder } from '../../origin.ts';
import { untilSignal } from '../lifecycle.ts';

/** `rivulet worker`: builds deltas over the store and catalog that origins share. */
export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('chunk layers and build deltas only, over the shared store and catalog')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--config <file>', 'YAML or JSON settings; flags and RIVULET_* go before it')
    .addHelpText('after', '\nExample:\n  $ rivulet worker --config ./rivulet.yaml')
    .action(async (options: Readonly<Record<string, string | undefined>>) => {
      const { config: file, ...flags } = options;
      const config = await loadServerConfig({ flags, env: process.env, file });
      const builder = await startBuilder(config);
      process.stdout.write(`${JSON.stringify({ event: 'working', builders: builder.builders })}\n`);
      await untilSignal();
      await builder.close();
    });
}
