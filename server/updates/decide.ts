import { PLAN_KINDS } from '../../delta/agent/decision.ts';
import type {
  CheckRequest,
  ChunksPlan,
  Decision,
  DeltaPlan,
  FullPlan,
  Plan,
  PlanKind,
  PlatformFacts,
  ReleaseFacts,
} from '../../delta/agent/protocol.ts';
import { formatPlatform } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';
import { DECISION_TTL_MS, decisionId, none, type DecideEnv, type Outcome } from './outcome.ts';
import { maxWireBytes, scratchOf } from './plan-costs.ts';
import { fullBytes } from './savings.ts';
import { paceFor } from './update-rules.ts';

/**
 * Memory of the process beside the bare one, measured (7 MB and 10 MB, test/delta/agent/scratch.test.ts)
 * with room for what waits for the collector: a decoder with a zstd window of 8 MiB; frames raw and
 * packed, where the index is counted beside.
 */
const FULL_RAM_BYTES = 24 * 1024 * 1024;
const CHUNKS_RAM_BYTES = 24 * 1024 * 1024;
/** What fetching takes beside applying, whose memory a delta states itself. */
const DELTA_FETCH_RAM_BYTES = 8 * 1024 * 1024;

/**
 * Decides what a device is offered. Pure: the origin and a cache that lost its origin give the same
 * answer, and the same decision id, from the same facts.
 */
export function decide(
  facts: ReleaseFacts | undefined,
  ask: CheckRequest,
  env: DecideEnv,
): Outcome<Decision> {
  const target = facts === undefined ? undefined : matchPlatform(facts.platforms, ask);
  if (facts === undefined || target === undefined) return none('no_release');

  const from = currentDigest(ask);
  if (from === target.manifest.digest) return none('up_to_date');
  const accept = acceptedPlans(ask);
  if (from !== undefined && accept.includes('delta') && target.building.includes(from)) {
    return none('delta_building');
  }
  const metered = ask.metered === true;
  const plans = planUpdate(target, from, accept, metered);
  if (plans.length === 0) return none('no_plan');

  const to = target.manifest.digest;
  return {
    kind: 'update',
    decision: {
      id: decisionId(env.deviceId, facts.releaseCounter, from, to),
      product: facts.product,
      channel: facts.channel,
      platform: target.platform,
      target: { ...target.manifest, releaseCounter: facts.releaseCounter },
      ...(from === undefined ? {} : { from }),
      plans,
      blobs: env.servers.map((url) => `${url}/v1/blobs/`),
      expiresMs: env.nowMs + DECISION_TTL_MS,
      maxBytes: maxWireBytes(target, plans, metered),
      ...paceFor(facts.paces, env.region),
      ...(metered && from === undefined ? { meteredFull: true } : {}),
    },
  };
}

/**
 * The image for the device: its exact platform, else the same without a variant (an `arm/v7` device
 * takes a plain `arm` image; nothing is guessed between variants).
 */
export function matchPlatform(
  platforms: readonly PlatformFacts[],
  ask: Pick<CheckRequest, 'os' | 'arch' | 'variant'>,
): PlatformFacts | undefined {
  const exact = askedPlatform(ask);
  const plain = formatPlatform({ os: ask.os, architecture: ask.arch });
  return (
    platforms.find(({ platform }) => platform === exact) ??
    platforms.find(({ platform }) => platform === plain)
  );
}

/** `os/arch[/variant]` of the device that asks. */
export function askedPlatform(ask: Pick<CheckRequest, 'os' | 'arch' | 'variant'>): string {
  return formatPlatform({ os: ask.os, architecture: ask.arch, variant: ask.variant });
}

/** The plans that the device can carry out. */
export function acceptedPlans({ accept = PLAN_KINDS }: CheckRequest): readonly PlanKind[] {
  return accept;
}

/** The image manifest of the asked product that the device runs; undefined before its first install. */
export function currentDigest(ask: CheckRequest): Digest | undefined {
  return ask.current.find(({ name }) => name === ask.product)?.digest;
}

function planUpdate(
  target: PlatformFacts,
  from: Digest | undefined,
  accept: readonly PlanKind[],
  metered: boolean,
): readonly Plan[] {
  const full = fullPlan(target);
  const delta = from === undefined ? undefined : deltaPlan(target, from);
  const ordered: readonly (Plan | undefined)[] = [
    delta !== undefined && delta.size < full.size ? delta : undefined,
    // Without anything installed there are no chunks to reuse: the full image is never larger.
    from === undefined ? undefined : chunksPlan(target),
    // A link that costs money carries the whole image only where nothing is installed.
    metered && from !== undefined ? undefined : full,
  ];
  return ordered.filter((plan) => plan !== undefined).filter(({ kind }) => accept.includes(kind));
}

function deltaPlan(target: PlatformFacts, from: Digest): DeltaPlan | undefined {
  const found = target.deltas.find((delta) => delta.from === from);
  if (found === undefined) return undefined;
  const { digest, size } = found;
  const ramBytes = found.ramBytes + DELTA_FETCH_RAM_BYTES;
  const scratch = scratchOf(target, size);
  return { kind: 'delta', digest, from, source: 'layers', size, ramBytes, ...scratch };
}

/** Undefined unless every layer is chunked: the facts do not say which of them the device has. */
function chunksPlan(target: PlatformFacts): ChunksPlan | undefined {
  const layers: ChunksPlan['layers'][number][] = [];
  let size = target.config.size + target.manifest.size;
  let largestIndex = 0;
  for (const { diffId, rawSize, index, size: pushedSize } of target.layers) {
    if (rawSize === undefined || index === undefined) return undefined;
    layers.push({ diffId, rawSize, index });
    size += pushedSize + index.size;
    largestIndex = Math.max(largestIndex, index.size);
  }
  const ramBytes = CHUNKS_RAM_BYTES + largestIndex;
  const { digest } = target.manifest;
  return { kind: 'chunks', digest, layers, size, ramBytes, ...scratchOf(target, size) };
}

function fullPlan(target: PlatformFacts): FullPlan {
  const size = fullBytes(target);
  const { digest } = target.manifest;
  return { kind: 'full', digest, size, ramBytes: FULL_RAM_BYTES, ...scratchOf(target, size) };
}
