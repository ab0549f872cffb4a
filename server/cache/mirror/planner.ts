import type { CachedImages } from '../../../storage/catalog/cache-images.ts';
import type { LiveCommits } from '../../../storage/catalog/cache-live-commits.ts';
import type { LiveVersions } from '../../../storage/catalog/cache-live.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { MirrorPolicy } from '../../mirror-rules.ts';
import { LIVE_MS } from '../live.ts';
import type { Releases, ReleasesSnapshot } from '../releases.ts';
import type { ChunkPlans } from './chunk-plans.ts';
import type { ImagesAhead } from './images-ahead.ts';
import type { MirrorItem } from './item.ts';
import { aheadNeeds, livePairs, offeredNeeds, type LivePair, type NeededBlob } from './needs.ts';
import type { OstreeAhead } from './ostree-ahead.ts';
import { pinnedBlobs, withinBudget } from './pins.ts';
import type { ServedTags } from './served-tags.ts';

export interface MirrorPlannerOptions {
  readonly releases: Releases;
  readonly live: LiveVersions;
  readonly liveCommits: LiveCommits;
  readonly knownImages: CachedImages;
  readonly servedTags: ServedTags;
  readonly chunkPlans: ChunkPlans;
  readonly images: ImagesAhead;
  readonly ostree: OstreeAhead;
  /** Undefined: nothing is fetched ahead, but what is needed here is still not evicted. */
  readonly policy: MirrorPolicy | undefined;
  /** Of what is fetched ahead, and of what is kept from eviction: the rest is for what is asked for. */
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** What should be here, and what must stay. */
export interface MirrorPlan {
  /** In the order in which it is fetched. */
  readonly items: readonly MirrorItem[];
  /** What the policy names beyond the budget. */
  readonly left: readonly MirrorItem[];
  /** Blobs and manifests. */
  readonly pinned: ReadonlySet<Digest>;
}

/** Makes plans from what the origin last said, what lives here, and what is here. */
export class MirrorPlanner {
  readonly #options: MirrorPlannerOptions;
  #remembered: ReleasesSnapshot['body'] | undefined;

  constructor(options: MirrorPlannerOptions) {
    this.#options = options;
  }

  async plan(): Promise<MirrorPlan> {
    const { releases, live, liveCommits, policy, images, ostree, maxBytes, clock } = this.#options;
    const sinceMs = clock() - LIVE_MS;
    await live.prune(sinceMs);
    await liveCommits.prune(sinceMs);
    await this.#remember();
    const { snapshot } = releases;
    const channels = snapshot?.releases ?? [];
    const pairs = livePairs(channels, await live.since(sinceMs));
    const wanted: MirrorItem[] = [];
    if (policy !== undefined) {
      const commits = await liveCommits.since(sinceMs);
      wanted.push(...(await images.items(aheadNeeds(channels, pairs, policy))));
      wanted.push(...(await ostree.items(snapshot?.ostree?.refs ?? [], commits, policy.rules)));
    }
    const { chosen, left } = withinBudget(wanted, maxBytes);
    const served = await this.#options.servedTags.needs(sinceMs);
    const needed = [...pinsOf(chosen), ...(await this.#offered(pairs)), ...served.blobs];
    const pinned = new Set([...pinnedBlobs(needed, maxBytes), ...served.manifests]);
    return { items: chosen, left, pinned };
  }

  /** In the order of the plans: packs, as far as their indexes are here, go before whole layers. */
  async #offered(pairs: readonly LivePair[]): Promise<readonly NeededBlob[]> {
    const { metadata, deltas, indexes, layers } = offeredNeeds(pairs);
    const packs: NeededBlob[] = [];
    for (const pair of pairs) {
      const needs = await this.#options.chunkPlans.of(pair);
      if (needs?.kind !== 'packs') continue;
      packs.push(...needs.packs.map(({ pack, bytes }) => ({ digest: pack, size: bytes })));
    }
    return [...metadata, ...deltas, ...indexes, ...packs, ...layers];
  }

  /** A later release's chunks are told by what today's is made of. */
  async #remember(): Promise<void> {
    const { releases, knownImages, clock } = this.#options;
    const { snapshot } = releases;
    if (snapshot === undefined || snapshot.body === this.#remembered) return;
    const images = snapshot.releases.flatMap(({ platforms }) =>
      platforms.map(
        ({ manifest, layers }) =>
          [manifest.digest, layers.map(({ diffId, index }) => ({ diffId, index }))] as const,
      ),
    );
    await knownImages.put(new Map(images), clock());
    this.#remembered = snapshot.body;
  }
}

/** The bytes of an item count once, however many blobs it pins. */
function pinsOf(items: readonly MirrorItem[]): readonly NeededBlob[] {
  return items.flatMap(({ pins, bytes }) =>
    pins.map((digest, n) => ({ digest, size: n === 0 ? bytes : 0 })),
  );
}
