import type { Command } from 'commander';

import { startCache } from '../../cache/cache-server.ts';
import { loadCacheConfig } from '../../config-load.ts';
import { createLogger } from '../../observe/logger.ts';
import { announce, untilSignal } from '../lifecycle.ts';

/** `rivulet cache`: a regional cache. */
export function addCache(program: Command): void {
  program
    .command('cache')
    .description('run a regional cache in front of an origin')
    .option('--upstream <url>', 'the origin, or the cache above')
    .option('--region <name>', 'the region that it serves')
    .option('--data <dir>', 'folder of cached blobs and the queue (default ./rivulet-data)')
    .option(
      '--listen <host:port>',
      'where to answer; port 0 takes a free one (default 127.0.0.1:8480)',
    )
    .option('--public-url <url>', 'the base URL that devices reach it by (default: as they ask)')
    .option('--budget-bytes <n>', 'bytes of blobs to keep at most (default 20 GiB)')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--config <file>', 'YAML or JSON settings; flags and RIVULET_* go before it')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet cache --upstream http://127.0.0.1:8480 --region eu --listen 127.0.0.1:8481 --data ./region-eu',
    )
    .action(async (options: Readonly<Record<string, string | undefined>>) => {
      const { config: file, ...flags } = options;
      const config = await loadCacheConfig({ flags, env: process.env, file });
      const cache = await startCache(config, createLogger(config.logLevel));
      announce(cache.url);
      await untilSignal();
      await cache.close();
    });
}
