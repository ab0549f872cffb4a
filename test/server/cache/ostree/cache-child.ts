import { startCache } from '../../../../server/cache/cache-server.ts';
import { configOf, silent } from '../tools.ts';

// A cache of the arguments <upstream> <folder> in a process of its own, until it is killed.
const [, , upstream = '', folder = ''] = process.argv;
const { url } = await startCache(configOf(upstream, folder, {}), silent);
process.stdout.write(`${url}\n`);
