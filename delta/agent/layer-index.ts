import { join } from 'node:path';

import type { Digest } from '../../storage/digest.ts';
import { readSmall, writeDurable } from './durable.ts';
import { JsonReader } from './json.ts';
import type { ChunksPlan, Decision } from './protocol.ts';
import type { RunState } from './state.ts';

/** Where the chunks of a release's layers are told: what `repair` needs to fetch a few of them. */
export type LayerIndexes = ChunksPlan['layers'];

const FILE = 'chunks.json';
const MAX_BYTES = 1024 * 1024;
const MAX_LAYERS = 512;

/** The indexes that a decision tells of its target's layers; none without a chunks plan. */
export function indexesOf(decision: Decision): LayerIndexes {
  return decision.plans.flatMap((plan) => (plan.kind === 'chunks' ? plan.layers : []));
}

/** Keeps them beside a release; stock tools ignore the file. */
export async function writeLayerIndexes(layout: string, layers: LayerIndexes): Promise<void> {
  await writeDurable(join(layout, FILE), JSON.stringify({ layers }));
}

/** Those that were kept with a release, or that the decision which led to it tells. */
export async function readLayerIndexes(
  layout: string,
  digest: Digest,
  run: RunState | undefined,
): Promise<LayerIndexes> {
  const bytes = await readSmall(join(layout, FILE), MAX_BYTES);
  if (bytes === undefined) {
    return run?.decision.target.digest === digest ? indexesOf(run.decision) : [];
  }
  const reader = JsonReader.parse(bytes, join(layout, FILE), 'state_corrupt');
  return reader.objects('layers', MAX_LAYERS).map((layer) => {
    const index = layer.object('index');
    return {
      diffId: layer.digest('diffId'),
      rawSize: layer.count('rawSize'),
      index: { digest: index.digest('digest'), size: index.count('size') },
    };
  });
}
