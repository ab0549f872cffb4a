import { readBlob, type BlobStore } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LayerRow } from '../catalog/layer-catalog.ts';
import { MAX_INDEX_BYTES, parseChunkIndex } from '../chunk/chunk-index.ts';
import { ingestLayer } from '../chunk/ingest.ts';
import { restoreLayer } from '../chunk/restore.ts';
import type { Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { ByteSource, IoOptions } from '../object-store.ts';

/** Another place that may have a blob; undefined when it does not. What comes is checked. */
export type BlobSource = (digest: Digest, options: IoOptions) => Promise<ByteSource | undefined>;

export interface RemakeOptions extends IoOptions {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly scratch: string;
  readonly elsewhere?: BlobSource | undefined;
}

/**
 * Makes a lost blob again, byte for byte: a pack or a chunk index by chunking its layer once more, a layer
 * that was pushed uncompressed out of its chunks, any blob from elsewhere. Says how, or undefined when
 * it can't. What is written has the digest or is not written.
 */
export async function remakeBlob(
  digest: Digest,
  options: RemakeOptions,
): Promise<string | undefined> {
  for (const layer of await options.catalog.audit.repair.layersOf(digest)) {
    if (await attempt(() => chunkAgain(digest, layer, options))) {
      return `made again from the layer ${layer.digest}`;
    }
  }
  if (await attempt(() => joinChunks(digest, options))) return 'made again from its chunks';
  if (await attempt(() => fetchElsewhere(digest, options))) return 'fetched again';
  return undefined;
}

/** Chunking is the same each time: what is lost is written where it was. */
async function chunkAgain(
  wanted: Digest,
  layer: LayerRow,
  { blobs, catalog, scratch, signal }: RemakeOptions,
): Promise<boolean> {
  await ingestLayer({ blobs, layers: catalog.layers, digest: layer.digest, scratch, signal });
  return (await blobs.stat(wanted, { signal })) !== undefined;
}

async function joinChunks(wanted: Digest, options: RemakeOptions): Promise<boolean> {
  const { blobs, catalog, signal } = options;
  const layer = await catalog.layers.byDiffId(wanted);
  if (layer?.index === undefined) return false;
  const bytes = await readBlob(blobs, layer.index.digest, { maxBytes: MAX_INDEX_BYTES, signal });
  const index = parseChunkIndex(bytes);
  await blobs.put(wanted, restoreLayer(blobs, index, { signal }), { signal });
  return true;
}

async function fetchElsewhere(wanted: Digest, options: RemakeOptions): Promise<boolean> {
  const { blobs, elsewhere, signal } = options;
  const source = await elsewhere?.(wanted, { signal });
  if (source === undefined) return false;
  await blobs.put(wanted, source, { signal });
  return true;
}

/** A way that fails, since something else is damaged too, leads to the next one. */
async function attempt(way: () => Promise<boolean>): Promise<boolean> {
  try {
    return await way();
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === 'aborted') throw error;
    if (error.code === 'no_space') throw error;
    return false;
  }
}
