import type { CachedManifests } from '../../../storage/catalog/cache-manifests.ts';
import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import { parseRepoName, parseTag } from '../../../storage/names.ts';
import type { BlobCache } from '../blob-cache.ts';
import type { ManifestCache } from '../manifest-cache.ts';
import type { ForeignCheck } from '../registries/foreign-check.ts';
import type { ChunkPlans, PackRanges } from './chunk-plans.ts';
import type { Admit, MirrorItem, MirrorItemKind } from './item.ts';
import { keepBlob, keepRanges } from './keep-blob.ts';
import type { AheadNeeds, NeededBlob, NeededTag } from './needs.ts';

export interface ImagesAheadOptions {
  readonly blobs: BlobCache;
  readonly objects: Pick<CachedObjects, 'complete'>;
  /** Of the origin, as clients of `/v2/` get them. */
  readonly manifests: ManifestCache;
  readonly keptManifests: CachedManifests;
  readonly foreign: Pick<ForeignCheck, 'note'>;
  readonly chunkPlans: ChunkPlans;
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<boolean>;
  readonly pieceBytes: number;
}

/** What the policy wants of images, in the order in which it is fetched. */
export class ImagesAhead {
  readonly #options: ImagesAheadOptions;

  constructor(options: ImagesAheadOptions) {
    this.#options = options;
  }

  /** Ranges of packs are told once the chunk indexes that tell of them are here. */
  async items({
    tags,
    metadata,
    deltas,
    indexes,
    pairs,
    layers,
  }: AheadNeeds): Promise<readonly MirrorItem[]> {
    const base: NeededBlob[] = [];
    const packs: PackRanges[] = [];
    const instead: NeededBlob[] = [];
    for (const pair of pairs) {
      base.push(...(await this.#options.chunkPlans.baseIndexes(pair)));
      const needs = await this.#options.chunkPlans.of(pair);
      if (needs?.kind === 'packs') packs.push(...needs.packs);
      else instead.push(...(needs?.layers ?? []));
    }
    return [
      ...(await this.#tags(tags)),
      ...(await this.#wholes('manifest', metadata)),
      ...(await this.#wholes('delta', deltas)),
      ...(await this.#wholes('index', [...indexes, ...base])),
      ...(await this.#packs(packs)),
      ...(await this.#wholes('layer', [...instead, ...layers])),
    ];
  }

  async #tags(tags: readonly NeededTag[]): Promise<readonly MirrorItem[]> {
    const items: MirrorItem[] = [];
    for (const tag of tags) {
      const { product, channel, digest, manifests } = tag;
      items.push({
        kind: 'tag',
        name: `${product}:${channel}`,
        bytes: manifests.reduce((sum, { size }) => sum + size, 0),
        here: await this.#isTagHere(tag),
        pins: [digest, ...manifests.map((manifest) => manifest.digest)],
        fetch: (signal) => this.#fetchTag(tag, signal),
      });
    }
    return items;
  }

  async #isTagHere({ product: repo, channel, digest, manifests }: NeededTag): Promise<boolean> {
    const { keptManifests } = this.#options;
    const led = await keptManifests.getTag({ registry: '', repo }, channel);
    if (led?.digest !== digest) return false;
    const needed = [digest, ...manifests.map((manifest) => manifest.digest)];
    return (await keptManifests.count(needed)) === new Set(needed).size;
  }

  async #fetchTag(
    { product, channel, manifests }: NeededTag,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { manifests: cache, blobs, admit } = this.#options;
    const bytes = manifests.reduce((sum, { size }) => sum + size, 0);
    if (!(await admit(bytes, signal))) return false;
    const repo = parseRepoName(product);
    await cache.get(repo, { kind: 'tag', tag: parseTag(channel) });
    for (const { digest, size } of manifests) {
      const { manifest } = await cache.get(repo, { kind: 'digest', digest });
      // Devices ask for it as for any blob: it is not fetched twice.
      if (!(await blobs.has(digest, [{ start: 0, endExclusive: size }]))) {
        await blobs.begin({ digest, size }, manifest.body);
      }
    }
    return true;
  }

  async #wholes(
    kind: MirrorItemKind,
    needed: readonly NeededBlob[],
  ): Promise<readonly MirrorItem[]> {
    const { blobs, objects, foreign, admit, pieceBytes } = this.#options;
    const once = new Map(needed.map((blob) => [blob.digest, blob]));
    const complete = await objects.complete([...once.keys()]);
    return [...once.values()].map(({ digest, size }) => ({
      kind,
      name: digest,
      bytes: size,
      here: size === 0 || complete.has(digest),
      pins: [digest],
      fetch: async (signal) => {
        const allow: Admit = (bytes) => admit(bytes, signal);
        const options = { admit: allow, signal, pieceBytes };
        if (!(await keepBlob(blobs, { digest, size }, options))) return false;
        await foreign.note(digest);
        return true;
      },
    }));
  }

  async #packs(needed: readonly PackRanges[]): Promise<readonly MirrorItem[]> {
    const { blobs, foreign, admit, pieceBytes } = this.#options;
    const items = new Map<string, MirrorItem>();
    for (const { pack, ranges, bytes } of needed) {
      const name = `${pack} ${ranges.map((range) => `${range.start}-${range.endExclusive}`).join()}`;
      if (items.has(name)) continue;
      items.set(name, {
        kind: 'pack',
        name,
        bytes,
        here: await blobs.has(pack, ranges),
        pins: [pack],
        fetch: async (signal) => {
          const allow: Admit = (count) => admit(count, signal);
          const size = await blobs.size(pack);
          const blob = { digest: pack, size };
          const options = { admit: allow, signal, pieceBytes };
          if (!(await keepRanges(blobs, blob, ranges, options))) return false;
          await foreign.note(pack);
          return true;
        },
      });
    }
    return [...items.values()];
  }
}
