import type { OstreeFacts, OstreeStep } from '../../../delta/agent/ostree-protocol.ts';
import { parseRepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { CachedDeltas } from './cached-deltas.ts';

/**
 * What the origin said of a ref, without the delta from `from` (undefined: from scratch) unless all of
 * it is here: while the origin is gone nobody would get the rest.
 */
export async function heldFacts(
  facts: OstreeFacts,
  from: OstreeChecksum | undefined,
  deltas: Pick<CachedDeltas, 'isWhole'>,
): Promise<OstreeFacts> {
  const repo = parseRepoName(facts.product);
  const steps: OstreeStep[] = [];
  for (const step of facts.steps) {
    const offered = step.from === from && step.delta !== undefined;
    const kept = !offered || (await deltas.isWhole(repo, { from, to: facts.commit }));
    steps.push(kept ? step : { ...step, delta: undefined });
  }
  return { ...facts, steps };
}
