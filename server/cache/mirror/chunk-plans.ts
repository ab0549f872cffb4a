import type { CachedImages } from '../../../storage/catalog/cache-images.ts';
import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import {
  MAX_INDEX_BYTES,
  parseChunkIndex,
  type ChunkIndex,
} from '../../../storage/chunk/chunk-index.ts';
import { planChunkFetch } from '../../../storage/chunk/restore.ts';
import type { Digest } from '../../../storage/digest.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import type { BlobCache } from '../blob-cache.ts';
import type { LivePair, NeededBlob } from './needs.ts';

/** Plans that are remembered; what they are made from never changes. */
const MAX_PLANS = 1000;

/** Ranges of a pack, on borders of blocks: the last may end past the pack. */
export interface PackRanges {
  readonly pack: Digest;
  readonly ranges: readonly ByteRange[];
  /** Of the ranges, up to the last byte that is needed. */
  readonly bytes: number;
}

/**
 * What a device takes that brings a live version up by chunks: the ranges of packs that it lacks, or, where
 * they come to as much, the layers as pushed that it lacks, which its last plan takes.
 */
export type ChunkNeeds =
  | { readonly kind: 'packs'; readonly packs: readonly PackRanges[] }
  | { readonly kind: 'layers'; readonly layers: readonly NeededBlob[] };

export interface ChunkPlansOptions {
  readonly blobs: Pick<BlobCache, 'readSmall'>;
  readonly images: Pick<CachedImages, 'get'>;
  readonly objects: Pick<CachedObjects, 'complete'>;
}

/** Tells what chunks devices lack, from the chunk indexes of what they run and of what they should run. */
export class ChunkPlans {
  readonly #options: ChunkPlansOptions;
  /** Oldest first. */
  readonly #known = new Map<string, ChunkNeeds>();

  constructor(options: ChunkPlansOptions) {
    this.#options = options;
  }

  /** Chunk indexes of what the device runs that are not among those of its target. */
  async baseIndexes({ current, target }: LivePair): Promise<readonly NeededBlob[]> {
    const targets = new Set(target.layers.map(({ index }) => index?.digest));
    const known = new Set(target.layers.map(({ diffId }) => diffId));
    const layers = (await this.#options.images.get(current)) ?? [];
    return layers.flatMap(({ diffId, index }) =>
      index === undefined || targets.has(index.digest) || known.has(diffId) ? [] : [index],
    );
  }

  /** Undefined while an index of the target is not here, or where the image is not offered in chunks. */
  async of(pair: LivePair): Promise<ChunkNeeds | undefined> {
    const { images, objects } = this.#options;
    const base = (await images.get(pair.current)) ?? [];
    const baseIndexes = base.flatMap(({ index }) => index?.digest ?? []);
    // A base of which an index came later is looked at again.
    const here = [...(await objects.complete(baseIndexes))];
    const key = JSON.stringify([pair.target.layers, base.map(({ diffId }) => diffId), here]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const has = new Set(base.map(({ diffId }) => diffId));
    const lacking = pair.target.layers.filter(({ diffId }) => !has.has(diffId));
    const targets: ChunkIndex[] = [];
    for (const { index } of lacking) {
      const read = index === undefined ? undefined : await this.#read(index.digest);
      if (read === undefined) return undefined;
      targets.push(read);
    }
    const chunks = new Set<Digest>();
    for (const digest of here) {
      for (const chunk of (await this.#read(digest))?.chunks ?? []) chunks.add(chunk.digest);
    }
    const packs = lackingRanges(targets, chunks);
    const layers = lacking.map(({ digest, size }) => ({ digest, size }));
    const needs: ChunkNeeds =
      sum(packs.map(({ bytes }) => bytes)) < sum(layers.map(({ size }) => size))
        ? { kind: 'packs', packs }
        : { kind: 'layers', layers };
    this.#remember(key, needs);
    return needs;
  }

  /** Undefined when it is not here, or is no index that this version knows. */
  async #read(digest: Digest): Promise<ChunkIndex | undefined> {
    const bytes = await this.#options.blobs.readSmall(digest, MAX_INDEX_BYTES);
    if (bytes === undefined || bytes === 'large') return undefined;
    try {
      return parseChunkIndex(bytes);
    } catch (error) {
      if (!isStorageError(error, 'corrupt')) throw error;
      return undefined;
    }
  }

  #remember(key: string, needs: ChunkNeeds): void {
    this.#known.set(key, needs);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_PLANS && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The blocks that hold chunks of the indexes that are not in `have`, as a device asks for them. Pure. */
export function lackingRanges(
  indexes: readonly ChunkIndex[],
  have: ReadonlySet<Digest>,
): readonly PackRanges[] {
  const planned = new Set(have);
  const packs = new Map<Digest, { readonly blocks: Set<number>; end: number }>();
  for (const index of indexes) {
    for (const { pack, range, chunks } of planChunkFetch(index, (digest) => planned.has(digest))) {
      const marked = packs.get(pack) ?? { blocks: new Set<number>(), end: 0 };
      packs.set(pack, marked);
      marked.end = Math.max(marked.end, range.endExclusive);
      const last = Math.floor((range.endExclusive - 1) / BLOCK_BYTES);
      for (let block = Math.floor(range.start / BLOCK_BYTES); block <= last; block += 1) {
        marked.blocks.add(block);
      }
      for (const { digest } of chunks) planned.add(digest);
    }
  }
  return [...packs].map(([pack, { blocks, end }]) => {
    const ranges = rangesOf([...blocks].sort((a, b) => a - b));
    const past = Math.max(0, (ranges.at(-1)?.endExclusive ?? 0) - end);
    return { pack, ranges, bytes: blocks.size * BLOCK_BYTES - past };
  });
}

function rangesOf(blocks: readonly number[]): readonly ByteRange[] {
  const ranges: { start: number; endExclusive: number }[] = [];
  for (const block of blocks) {
    const start = block * BLOCK_BYTES;
    const last = ranges.at(-1);
    if (last?.endExclusive === start) last.endExclusive += BLOCK_BYTES;
    else ranges.push({ start, endExclusive: start + BLOCK_BYTES });
  }
  return ranges;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
