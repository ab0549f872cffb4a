import { readBlob, type BlobReader } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ChunkRow, LayerRow } from '../catalog/layer-catalog.ts';
import { MAX_INDEX_BYTES, parseChunkIndex, type ChunkIndex } from '../chunk/chunk-index.ts';
import { StorageError } from '../errors.ts';
import type { IoOptions } from '../object-store.ts';

/** What rows about a layer should say, going by its chunk index; no two chunks are one. */
export interface LayerFacts {
  readonly packs: ChunkIndex['packs'];
  readonly newChunks: readonly ChunkRow[];
}

/** Packs and chunks of the layer's index; undefined when the index is lost or is not one, which shows elsewhere. */
export async function factsOfLayer(
  blobs: BlobReader,
  { index }: LayerRow,
  { signal }: IoOptions,
): Promise<LayerFacts | undefined> {
  if (index === undefined) return undefined;
  try {
    const bytes = await readBlob(blobs, index.digest, { maxBytes: MAX_INDEX_BYTES, signal });
    const { packs, chunks } = parseChunkIndex(bytes);
    const rows = chunks.flatMap(({ pack, ...chunk }) => {
      const digest = packs[pack];
      return digest === undefined ? [] : [{ ...chunk, pack: digest }];
    });
    return { packs, newChunks: [...new Map(rows.map((row) => [row.digest, row])).values()] };
  } catch (error) {
    if (error instanceof StorageError && error.code !== 'aborted') return undefined;
    throw error;
  }
}

/**
 * What is wrong with the rows of a chunked layer, or undefined: a pack of its index that is not named, and
 * would be collected; a chunk without the place that the index names, or with another one in that pack.
 */
export async function faultOfRows(
  catalog: Pick<Catalog, 'audit' | 'layers'>,
  { digest }: LayerRow,
  { packs, newChunks }: LayerFacts,
): Promise<string | undefined> {
  const named = new Set(await catalog.audit.repair.packsOfLayer(digest));
  if (packs.some((pack) => !named.has(pack))) return 'packs in use would be collected';
  const found = await catalog.layers.findChunks(newChunks.map((chunk) => chunk.digest));
  const places = new Map(found.map((place) => [placeName(place), place]));
  for (const chunk of newChunks) {
    const place = places.get(placeName(chunk));
    if (place === undefined) return 'chunks of layers to come are not found again';
    const same =
      place.offset === chunk.offset &&
      place.length === chunk.length &&
      place.rawLength === chunk.rawLength;
    if (!same) return 'layers to come would be cut from the wrong bytes';
  }
  return undefined;
}

function placeName({ digest, pack }: ChunkRow): string {
  return `${digest} ${pack}`;
}
