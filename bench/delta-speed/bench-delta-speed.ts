import { finish } from '../engine/finish.ts';
import { parseEngineOptions } from '../engine/options.ts';
import { runBench } from '../engine/run-bench.ts';
import { speedFindings } from './speed-findings.ts';

/** Those whose generation is worth waiting for; `--peers` adds the others. */
const PEERS = ['hdiffpatch', 'bsdiff', 'zucchini'];

/** `npm run bench -- delta-speed`: what making a delta costs, of processor, time and memory. */
export async function benchDeltaSpeed(args: readonly string[]): Promise<void> {
  const options = parseEngineOptions(args, { peers: PEERS, rounds: 1 });
  const results = await runBench(options);
  await finish('delta-speed', args, options, results, speedFindings(results));
}
