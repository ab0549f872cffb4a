import { finish } from '../engine/finish.ts';
import { parseEngineOptions } from '../engine/options.ts';
import { PEER_NAMES } from '../engine/peers.ts';
import { runBench } from '../engine/run-bench.ts';
import { sizeFindings } from './size-findings.ts';

/** `npm run bench -- delta-size`: bytes of deltas between real consecutive releases. */
export async function benchDeltaSize(args: readonly string[]): Promise<void> {
  const options = parseEngineOptions(args, { peers: PEER_NAMES, rounds: 1 });
  const results = await runBench(options);
  await finish('delta-size', args, options, results, sizeFindings(results));
}
