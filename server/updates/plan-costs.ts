import type { Plan, PlatformFacts } from '../../delta/agent/protocol.ts';

/** Of bytes on the wire over those of bodies: heads, TLS, ranges, what a cut loses. */
const MARGIN_SHARE = 8;
const MARGIN_BYTES = 64 * 1024;
/** What power cuts and kills lose, where bytes are cheap: a device syncs each 4 MiB and is granted 1 MiB at a time. */
const INTERRUPTIONS_BYTES = 16 * 1024 * 1024;
/** After a delta that failed, chunks may cost so many times as much on a metered link. */
const CHUNKS_PER_DELTA = 8;
/** And a few chunks in any case. */
const SOME_CHUNKS_BYTES = 256 * 1024;
/** State, reports, documents and what else an update writes beside blobs and layers. */
const SMALL_WRITES_BYTES = 1024 * 1024;

/**
 * What a decision may cost on the wire: each plan twice, and what interruptions lose. On a metered link
 * each plan once, with the margin: a delta that fails may be followed by chunks, but not by what comes
 * near the whole image, up to eight times the delta beside the indexes.
 */
export function maxWireBytes(
  target: PlatformFacts,
  plans: readonly Plan[],
  metered: boolean,
): number {
  if (!metered) return 2 * plans.reduce((sum, { size }) => sum + size, 0) + INTERRUPTIONS_BYTES;
  const delta = plans.find(({ kind }) => kind === 'delta');
  const bytes = plans.reduce((sum, plan) => {
    if (delta === undefined || plan.kind !== 'chunks') return sum + plan.size;
    const { layers, size } = plan;
    const documents = layers.reduce(
      (all, { index }) => all + index.size,
      target.manifest.size + target.config.size,
    );
    return sum + Math.min(size, documents + CHUNKS_PER_DELTA * delta.size + SOME_CHUNKS_BYTES);
  }, 0);
  return bytes + Math.ceil(bytes / MARGIN_SHARE) + MARGIN_BYTES;
}

/**
 * What a plan that fetches `size` bytes does to a device's disk, at most: what it fetches lies beside
 * the new layers until they are proved, and both are written once.
 */
export function scratchOf(
  target: PlatformFacts,
  size: number,
): Pick<Plan, 'diskBytes' | 'writeBytes'> {
  let layerBytes = 0;
  for (const { rawSize } of target.layers) {
    if (rawSize === undefined) return { diskBytes: size };
    layerBytes += rawSize;
  }
  return { diskBytes: size, writeBytes: size + layerBytes + SMALL_WRITES_BYTES };
}
