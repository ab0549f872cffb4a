import { finish } from '../engine/finish.ts';
import { parseEngineOptions } from '../engine/options.ts';
import { runBench } from '../engine/run-bench.ts';
import { applyFindings } from './apply-findings.ts';
import { bareBytes } from './bare.ts';

/** Those that a device might run; `--peers` adds the others. */
const PEERS = ['hdiffpatch', 'bsdiff', 'zstd'];

/** `npm run bench -- apply`: how fast a delta is applied, and in how much memory. */
export async function benchApply(args: readonly string[]): Promise<void> {
  const options = parseEngineOptions(args, { peers: PEERS, rounds: 3 });
  const bare = await bareBytes(options.profiles);
  const results = await runBench(options);
  await finish('apply', args, options, results, applyFindings(results, bare));
}
