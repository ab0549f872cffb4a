import type { PlatformFacts, ReleaseFacts } from '../../delta/agent/protocol.ts';
import type { LiveVersion } from '../../storage/catalog/cache-live.ts';
import type { Digest } from '../../storage/digest.ts';
import { matchPlatform } from '../updates/decide.ts';

export interface WantedBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** What live devices of the region will ask for. */
export interface Wanted {
  readonly deltas: readonly WantedBlob[];
  /** Manifests and configs of the images that those lead to. */
  readonly metadata: readonly WantedBlob[];
  /** What the other plans that they are offered fetch: chunk indexes, then layers as pushed. */
  readonly plans: readonly WantedBlob[];
}

/**
 * For each live version its delta to the channel's current release, that image's metadata, and what a
 * device without a delta would fetch. Pure.
 */
export function wantedBlobs(
  releases: readonly ReleaseFacts[],
  live: readonly LiveVersion[],
): Wanted {
  const channels = new Map(releases.map((facts) => [key(facts.product, facts.channel), facts]));
  const deltas = new Map<Digest, WantedBlob>();
  const metadata = new Map<Digest, WantedBlob>();
  const indexes = new Map<Digest, WantedBlob>();
  const layers = new Map<Digest, WantedBlob>();
  for (const { product, channel, platform, current } of live) {
    const target = targetOf(channels.get(key(product, channel)), platform);
    if (target === undefined || target.manifest.digest === current) continue;
    for (const { digest, size } of [target.manifest, target.config]) {
      metadata.set(digest, { digest, size });
    }
    for (const { digest, size, index } of target.layers) {
      layers.set(digest, { digest, size });
      if (index !== undefined) indexes.set(index.digest, index);
    }
    const delta = target.deltas.find(({ from }) => from === current);
    if (delta !== undefined) deltas.set(delta.digest, { digest: delta.digest, size: delta.size });
  }
  return {
    deltas: [...deltas.values()],
    metadata: [...metadata.values()],
    plans: [...indexes.values(), ...layers.values()],
  };
}

function targetOf(facts: ReleaseFacts | undefined, platform: string): PlatformFacts | undefined {
  const [os = '', arch = '', variant] = platform.split('/');
  return facts === undefined ? undefined : matchPlatform(facts.platforms, { os, arch, variant });
}

function key(product: string, channel: string): string {
  return `${product} ${channel}`;
}

/**
 * What must not be evicted: metadata, deltas and the rest of the plans, in this order, as far as
 * `maxBytes` go. A blob that does not fit is passed over; smaller ones may still follow. Pure.
 */
export function pinnedBlobs(wanted: Wanted, maxBytes: number): ReadonlySet<Digest> {
  const pinned = new Set<Digest>();
  let bytes = 0;
  for (const { digest, size } of [...wanted.metadata, ...wanted.deltas, ...wanted.plans]) {
    if (pinned.has(digest) || bytes + size > maxBytes) continue;
    pinned.add(digest);
    bytes += size;
  }
  return pinned;
}
