import { pipeline, type Readable } from 'node:stream';

import type { BlobStore } from '../blob-store.ts';
import type { ChunkedLayer, LayerCatalog } from '../catalog/layer-catalog.ts';
import { digestOf, DigestHasher, verifyStream, type Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import { formatChunkIndex, MAX_CHUNKS } from './chunk-index.ts';
import { ARENA_BYTES, MIN_CHUNK_BYTES } from './fastcdc.ts';
import { LayerBuilder } from './layer-builder.ts';
import { openLayer } from './layer-stream.ts';
import { PackPresence } from './pack-presence.ts';
import { PackWriter } from './pack.ts';
import { checkTar } from '../tar/tar-check.ts';
import { PassingBuffers } from '../passing-buffers.ts';
import { chunkTar } from './tar-chunks.ts';

/** The largest layer that is chunked: 16 GiB. */
export const MAX_LAYER_RAW_BYTES = MAX_CHUNKS * MIN_CHUNK_BYTES;
/** Of the layer as pushed: a megabyte, as the store reads else, would lie about four times on its way. */
const PIECE_BYTES = 64 * 1024;
/** Chunks looked up at once, and the bytes of them that are held in memory. */
const LOOKUP_BATCH = 64;
const LOOKUP_BYTES = 2 * ARENA_BYTES;
/** A batch is through before the next is cut; it lies in four at most, of each of which three quarters are new. */
const ARENAS = 2 * (LOOKUP_BYTES / ARENA_BYTES);

export interface IngestOptions {
  readonly blobs: BlobStore;
  readonly layers: Pick<LayerCatalog, 'findChunks'>;
  /** The layer blob as pushed. */
  readonly digest: Digest;
  /** A folder for the pack while it grows: needs as many bytes as the layer's new chunks take. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Chunks one pushed layer: opens it, names its uncompressed bytes, keeps the chunks that no pack has
 * yet in one new pack, and writes its chunk index. Pack and index are durable on return, in this
 * order; the caller then records the result with `layers.finish`. Run again, it writes the same
 * blobs, so a crash in between costs nothing but time.
 *
 * Throws `corrupt` or `too_large` for a blob that is no layer we can open (mark it opaque), `missing`
 * and `digest_mismatch` for a blob that the store lost or damaged, `aborted`, and the store's faults.
 */
export async function ingestLayer(options: IngestOptions): Promise<ChunkedLayer> {
  const { blobs, layers, digest, scratch, signal } = options;
  const pack = await PackWriter.open(scratch);
  try {
    const builder = new LayerBuilder(pack);
    const presence = new PackPresence(blobs, signal);
    const hasher = new DigestHasher();
    const buffers = new PassingBuffers();
    const pieces = await blobs.open(digest, { pieceBytes: PIECE_BYTES, signal });
    const source = verified(pieces, digest);
    const raw = hashed(
      buffers.through(checkTar(openLayer(source, { maxRawBytes: MAX_LAYER_RAW_BYTES, signal }))),
      hasher,
    );
    let chunks = 0;
    for await (const batch of batches(chunkTar(raw, { arenas: ARENAS }))) {
      chunks += batch.length;
      if (chunks > MAX_CHUNKS) throw tooManyChunks();
      const named = batch.map((bytes) => ({ digest: digestOf(bytes), bytes }));
      const unknown = builder.unknown(named.map((chunk) => chunk.digest));
      await builder.add(named, await presence.usable(await layers.findChunks(unknown)));
    }
    return await finish(builder, pack, hasher, options);
  } finally {
    await pack.dispose();
  }
}

async function finish(
  builder: LayerBuilder,
  pack: PackWriter,
  hasher: DigestHasher,
  { blobs, signal }: IngestOptions,
): Promise<ChunkedLayer> {
  const rawSize = hasher.size;
  const diffId = hasher.digest();
  const own = builder.hasNewChunks ? await pack.store(blobs, { signal }) : undefined;
  const { index, newChunks } = builder.finish({ diffId, rawSize }, own?.digest);
  const stored = await blobs.putBytes(formatChunkIndex(index), { signal });
  return { diffId, rawSize, index: stored, pack: own, newChunks, packs: index.packs };
}

function tooManyChunks(): StorageError {
  return new StorageError(
    'too_large',
    `the layer is cut into more than ${MAX_CHUNKS} chunks, more than an index holds`,
    { detail: { maxChunks: MAX_CHUNKS } },
  );
}

/** Checks the blob's digest as it is read: what a damaged disk made of a layer must not be chunked. */
function verified(source: Readable, digest: Digest): Readable {
  const check = verifyStream({ digest }, `layer ${digest}`);
  // Faults reach the reader through `check`, and its end destroys `source`; nothing is left to do.
  return pipeline(source, check, () => undefined);
}

async function* hashed(source: AsyncIterable<Buffer>, hasher: DigestHasher): AsyncIterable<Buffer> {
  for await (const part of source) {
    hasher.update(part);
    yield part;
  }
}

async function* batches(chunks: AsyncIterable<Buffer>): AsyncIterable<readonly Buffer[]> {
  let batch: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    batch.push(chunk);
    bytes += chunk.length;
    if (batch.length < LOOKUP_BATCH && bytes < LOOKUP_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
