import type { PlatformFacts, ReleaseFacts } from '../../../delta/agent/protocol.ts';
import type { LiveVersion } from '../../../storage/catalog/cache-live.ts';
import type { Digest } from '../../../storage/digest.ts';
import { matchesPattern } from '../../auth/name-pattern.ts';
import type { MirroredPart, MirrorRule } from '../../config.ts';
import type { MirrorPolicy } from '../../mirror-rules.ts';
import { matchPlatform } from '../../updates/decide.ts';

const IMAGE_PARTS = ['deltas', 'chunks', 'layers'] as const;

export interface NeededBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** A version that a device runs, and the image that it should become. */
export interface LivePair {
  readonly product: string;
  readonly channel: string;
  readonly current: Digest;
  readonly target: PlatformFacts;
}

/** What plans fetch, by kind; each blob once. */
export interface Needs {
  /** Manifests and configs. */
  readonly metadata: readonly NeededBlob[];
  readonly deltas: readonly NeededBlob[];
  /** Chunk indexes. */
  readonly indexes: readonly NeededBlob[];
  /** Of which chunks are needed. */
  readonly pairs: readonly LivePair[];
  /** As pushed. */
  readonly layers: readonly NeededBlob[];
}

/** A tag that is to be resolved without the origin. */
export interface NeededTag {
  readonly product: string;
  readonly channel: string;
  /** The index or manifest that it names. */
  readonly digest: Digest;
  readonly manifests: readonly NeededBlob[];
}

/** What the region's policy names. */
export interface AheadNeeds extends Needs {
  readonly tags: readonly NeededTag[];
}

/** Each live version with its channel's current release, if that is another. Pure. */
export function livePairs(
  releases: readonly ReleaseFacts[],
  live: readonly LiveVersion[],
): readonly LivePair[] {
  const channels = new Map(releases.map((facts) => [key(facts.product, facts.channel), facts]));
  return live.flatMap(({ product, channel, platform, current }) => {
    const [os = '', arch = '', variant] = platform.split('/');
    const facts = channels.get(key(product, channel));
    const target = facts && matchPlatform(facts.platforms, { os, arch, variant });
    if (target === undefined || target.manifest.digest === current) return [];
    return [{ product, channel, current, target }];
  });
}

/** What the plans fetch that live versions are offered. Pure. */
export function offeredNeeds(pairs: readonly LivePair[]): Needs {
  const list = new NeedList();
  for (const pair of pairs) {
    list.image(pair.target);
    list.delta(pair);
    list.chunks(pair);
    list.layers(pair.target);
  }
  return list.needs;
}

/** What the policy wants to be here ahead of demand. Pure. */
export function aheadNeeds(
  releases: readonly ReleaseFacts[],
  pairs: readonly LivePair[],
  { rules, liveOnly }: Pick<MirrorPolicy, 'rules' | 'liveOnly'>,
): AheadNeeds {
  const list = new NeedList();
  const tags: NeededTag[] = [];
  for (const { product, channel, digest, platforms } of liveOnly ? [] : releases) {
    const manifests: NeededBlob[] = [];
    for (const image of platforms) {
      const what = partsOf(rules, { product, channel, platform: image.platform });
      if (!IMAGE_PARTS.some((part) => what.has(part))) continue;
      manifests.push(blobOf(image.manifest));
      list.image(image);
      if (what.has('chunks')) list.indexes(image);
      if (what.has('layers')) list.layers(image);
    }
    if (manifests.length > 0) tags.push({ product, channel, digest, manifests });
  }
  for (const pair of pairs) {
    const what = partsOf(rules, { ...pair, platform: pair.target.platform });
    if (what.has('deltas') || what.has('chunks')) list.image(pair.target);
    if (what.has('deltas')) list.delta(pair);
    if (what.has('chunks')) list.chunks(pair);
  }
  return { ...list.needs, tags };
}

/** What the rules together want of a release's image; of a ref where `platform` is absent. Pure. */
export function partsOf(
  rules: readonly MirrorRule[],
  of: {
    readonly product: string;
    readonly channel: string;
    readonly platform?: string | undefined;
  },
): ReadonlySet<MirroredPart> {
  const parts = new Set<MirroredPart>();
  for (const rule of rules) {
    if (!matchesPattern(rule.repositories, of.product)) continue;
    if (!matchesPattern(rule.tags, of.channel) || !hasPlatform(rule, of.platform)) continue;
    for (const part of rule.what) parts.add(part);
  }
  return parts;
}

/** A rule's platform without a variant stands for all of them. */
function hasPlatform({ platforms }: MirrorRule, platform: string | undefined): boolean {
  if (platforms === undefined || platform === undefined) return true;
  return platforms.some((one) => one === platform || platform.startsWith(`${one}/`));
}

/** Collects needs, each once, in the order in which they are named. */
class NeedList {
  readonly #metadata = new Map<Digest, NeededBlob>();
  readonly #deltas = new Map<Digest, NeededBlob>();
  readonly #indexes = new Map<Digest, NeededBlob>();
  readonly #layers = new Map<Digest, NeededBlob>();
  readonly #pairs = new Map<string, LivePair>();

  get needs(): Needs {
    return {
      metadata: [...this.#metadata.values()],
      deltas: [...this.#deltas.values()],
      indexes: [...this.#indexes.values()],
      pairs: [...this.#pairs.values()],
      layers: [...this.#layers.values()],
    };
  }

  image({ manifest, config }: PlatformFacts): void {
    for (const blob of [manifest, config]) this.#metadata.set(blob.digest, blobOf(blob));
  }

  delta({ target, current }: LivePair): void {
    const delta = target.deltas.find(({ from }) => from === current);
    if (delta !== undefined) this.#deltas.set(delta.digest, blobOf(delta));
  }

  indexes({ layers }: PlatformFacts): void {
    for (const { index } of layers) {
      if (index !== undefined) this.#indexes.set(index.digest, blobOf(index));
    }
  }

  chunks(pair: LivePair): void {
    this.indexes(pair.target);
    this.#pairs.set(key(pair.current, pair.target.manifest.digest), pair);
  }

  layers({ layers }: PlatformFacts): void {
    for (const layer of layers) this.#layers.set(layer.digest, blobOf(layer));
  }
}

function blobOf({ digest, size }: NeededBlob): NeededBlob {
  return { digest, size };
}

function key(first: string, second: string): string {
  return `${first} ${second}`;
}
