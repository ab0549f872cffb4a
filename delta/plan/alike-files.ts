import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { TarEntry } from '../tree/walk.ts';
import type { OldEntry, OldTree } from './old-tree.ts';
import { compareSketches, sketchOf, type Sketch } from './sketch.ts';

/** Smaller files are not worth a search. */
const LEAST_BYTES = 4096;
/** A source shares this many grams of the sample, and this part of what no source before it has. */
const LEAST_SHARED = 6;
const LEAST_SHARE = 1 / 16;
/** Sources of one file, at most: a library may have been joined of several. */
const MAX_SOURCES = 3;

/** Finds old files by what they hold: for files whose name says nothing. */
export class AlikeFiles {
  readonly #tree: OldTree;
  readonly #bases: readonly RandomAccess[];
  readonly #options: IoOptions;
  #sketches: Promise<readonly Sketched[]> | undefined;

  constructor(tree: OldTree, bases: readonly RandomAccess[], options: IoOptions) {
    this.#tree = tree;
    this.#bases = bases;
    this.#options = options;
  }

  /**
   * The old files that hold most of the entry, each counted by what those before it lack. The first call
   * reads all old files.
   */
  async sourcesOf(entry: TarEntry, output: RandomAccess): Promise<readonly OldEntry[]> {
    if (entry.payloadBytes < LEAST_BYTES) return [];
    const sketches = await (this.#sketches ??= this.#sketchAll());
    const place = { offset: entry.payloadStart, length: entry.payloadBytes };
    let left = await sketchOf(output, place, this.#options);
    const sources: OldEntry[] = [];
    while (sources.length < MAX_SOURCES) {
      const best = bestFor(left, sketches);
      if (best === undefined) break;
      sources.push(best.old);
      const shared = new Set(best.shared);
      left = { ...left, hashes: new Set([...left.hashes].filter((hash) => !shared.has(hash))) };
    }
    return sources;
  }

  async #sketchAll(): Promise<readonly Sketched[]> {
    const all: Sketched[] = [];
    for (const old of this.#tree.files()) {
      const { base, entry } = old;
      const tar = this.#bases[base];
      if (tar === undefined || entry.payloadBytes < LEAST_BYTES) continue;
      const place = { offset: entry.payloadStart, length: entry.payloadBytes };
      all.push({ old, sketch: await sketchOf(tar, place, this.#options) });
    }
    return all;
  }
}

interface Sketched {
  readonly old: OldEntry;
  readonly sketch: Sketch;
}

/** The old file that shares most with the sample; undefined if none shares enough. */
function bestFor(
  sample: Sketch,
  sketches: readonly Sketched[],
): { readonly old: OldEntry; readonly shared: readonly number[] } | undefined {
  let best: { readonly old: OldEntry; readonly shared: readonly number[] } | undefined;
  let bestShare = LEAST_SHARE;
  for (const { old, sketch } of sketches) {
    const { shared, compared } = compareSketches(sample, sketch);
    if (shared.length < LEAST_SHARED || shared.length / compared < bestShare) continue;
    bestShare = shared.length / compared;
    best = { old, shared };
  }
  return best;
}
