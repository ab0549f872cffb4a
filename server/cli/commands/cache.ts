import { setFlagsFromString } from 'node:v8';

import type { Command } from 'commander';

import { startCache } from '../../cache/cache-server.ts';
import { loadCacheConfig } from '../../config-load.ts';
import { refuseOpenDoors } from '../../front-rules.ts';
import { createLogger } from '../../observe/logger.ts';
import { addFrontOptions, frontFlags } from '../front-options.ts';
import { announce, untilSignal } from '../lifecycle.ts';
import { addCacheConfig } from './cache-config.ts';

/**
 * The heap may grow by so much between collections (V8's own choice is several times what lives): a
 * thousand slow clients make garbage faster than it is collected, and a small machine pays for it.
 */
const HEAP_GROWING = '--heap-growing-percent=40';

/** `rivulet cache`: a regional cache. */
export function addCache(program: Command): void {
  const command = program
    .command('cache')
    .description('run a regional cache in front of an origin')
    .option('--upstream <url>', 'the origin, or the cache above; its token: RIVULET_UPSTREAM_TOKEN')
    .option('--region <name>', 'the region that it serves')
    .option('--data <dir>', 'folder of cached blobs and the queue (default ./rivulet-data)')
    .option('--budget-bytes <n>', 'bytes of blobs to keep at most (default 20 GiB)');
  addCacheConfig(command);
  addFrontOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet cache --upstream http://127.0.0.1:8480 --region eu --listen 127.0.0.1:8481 --data ./region-eu',
    )
    .action(async (options: Readonly<Record<string, string | undefined>>) => {
      const { config: file, ...flags } = options;
      const config = await loadCacheConfig({ flags: frontFlags(flags), env: process.env, file });
      refuseOpenDoors(config);
      setFlagsFromString(HEAP_GROWING);
      const cache = await startCache(config, createLogger(config.logLevel));
      announce(cache.url);
      await untilSignal();
      await cache.close();
    });
}
