import { join } from 'node:path';

import type { Coder } from './coder.ts';
import { openCorpus } from './corpus.ts';
import { DEBIAN_PAIRS } from './debian-pairs.ts';
import { NPM_PAIRS } from './npm-pairs.ts';
import type { EngineBenchOptions } from './options.ts';
import { rivulet } from './ours.ts';
import type { Pair } from './pair.ts';
import { findPeers } from './peers.ts';
import type { Results, Row } from './results.ts';
import { runCoder, type Outcome } from './run-coder.ts';

/** Ours and the peers on the chosen pairs, one program at a time. */
export async function runBench(options: EngineBenchOptions): Promise<Results> {
  const pairs = choosePairs([...NPM_PAIRS, ...DEBIAN_PAIRS], options);
  const peers = await findPeers(options.peers);
  const coders = [...oursFor(options), ...peers.found];
  const corpus = await openCorpus(pairs, join(process.cwd(), '.bench', 'corpus'));
  const rows: Row[] = [];
  for (const { pair, oldFile, newFile, newBytes } of corpus.files) {
    const outcomes: Record<string, Outcome> = {};
    const task = { oldFile, newFile, sha256: pair.new.sha256 };
    for (const coder of coders) {
      process.stderr.write(`${pair.name}: ${coder.title}\n`);
      outcomes[coder.name] = await runCoder(coder, task, options.rounds);
    }
    rows.push({ pair: pair.name, newBytes, outcomes });
  }
  return { coders, rows, skipped: corpus.skipped, absent: peers.absent };
}

/** Each profile whole, then without each of the steps to leave out. */
function oursFor({ profiles, ablations, proof }: EngineBenchOptions): Coder[] {
  return profiles.flatMap((profile) => [
    rivulet({ profile, proof }),
    ...ablations.map((ablation) => rivulet({ profile, proof, ablation })),
  ]);
}

/** The named pairs; without names the quick ones, the public list, or all. */
export function choosePairs(
  all: readonly Pair[],
  { only, quick, more }: Pick<EngineBenchOptions, 'only' | 'quick' | 'more'>,
): Pair[] {
  const unknown = only.find((name) => !all.some((pair) => pair.name === name));
  if (unknown !== undefined) {
    throw new Error(`no pair ${unknown}: there are ${all.map(({ name }) => name).join(', ')}`);
  }
  if (only.length > 0) return all.filter(({ name }) => only.includes(name));
  if (quick) return all.filter(({ isQuick }) => isQuick);
  return more ? [...all] : all.filter(({ isPublic }) => isPublic);
}
