import { startCache } from '../../../../server/cache/cache-server.ts';
import type { CacheConfig } from '../../../../server/config.ts';
import { configOf, silent } from '../tools.ts';

// A cache of the arguments <upstream> <folder> [<settings>] in a process of its own, until it is killed.
const [, , upstream = '', folder = '', settings = '{}'] = process.argv;
const change = JSON.parse(settings) as Partial<CacheConfig>;
const { url } = await startCache(configOf(upstream, folder, change), silent);
process.stdout.write(`${url}\n`);
