import type { ChunkLocation, ChunkRow } from '../catalog/layer-catalog.ts';
import type { Digest } from '../digest.ts';
import type { ChunkIndex, IndexedChunk } from './chunk-index.ts';
import { ChunkPacker, locate, type NamedChunk } from './chunk-packer.ts';
import type { PackWriter } from './pack.ts';

/** Gathers a layer's chunks in order, writing the new ones into its pack, each once. */
export class LayerBuilder {
  readonly #packer: ChunkPacker;
  readonly #chunks: Digest[] = [];

  constructor(pack: PackWriter) {
    this.#packer = new ChunkPacker(pack);
  }

  get hasNewChunks(): boolean {
    return this.#packer.hasNewChunks;
  }

  /** Those digests whose place this layer does not know yet, each once. */
  unknown(digests: readonly Digest[]): readonly Digest[] {
    return this.#packer.unknown(digests);
  }

  /** Appends chunks; what is neither `found` nor in the layer already is compressed into the pack. */
  async add(
    chunks: readonly NamedChunk[],
    found: ReadonlyMap<Digest, ChunkLocation>,
  ): Promise<void> {
    for (const { digest } of chunks) this.#chunks.push(digest);
    await this.#packer.add(chunks, found);
  }

  /** The index, and the chunks that `ownPack` brings; it must be given when there are any. */
  finish(
    layer: Pick<ChunkIndex, 'diffId' | 'rawSize'>,
    ownPack: Digest | undefined,
  ): { readonly index: ChunkIndex; readonly newChunks: readonly ChunkRow[] } {
    const { located, newChunks } = this.#packer.finish(ownPack);
    const packs = new Map<Digest, number>();
    const chunks = locate(located, this.#chunks).map((row): IndexedChunk => {
      const pack = packs.get(row.pack) ?? packs.size;
      packs.set(row.pack, pack);
      const { digest, rawLength, offset, length } = row;
      return { digest, rawLength, pack, offset, length };
    });
    return { index: { ...layer, packs: [...packs.keys()], chunks }, newChunks };
  }
}
