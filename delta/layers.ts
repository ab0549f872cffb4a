import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import type { BlobReader } from '../storage/blob-store.ts';
import { openLayer } from '../storage/chunk/layer-stream.ts';
import { digestAlgorithm, digestHex, verifyStream, type Digest } from '../storage/digest.ts';
import { fromErrno } from '../storage/durable.ts';
import { isStorageError, StorageError } from '../storage/errors.ts';
import type { IoOptions } from '../storage/object-store.ts';
import { FileAccess, type RandomAccess } from '../storage/random-access.ts';
import { DeltaError } from './errors.ts';
import type { Image, ImageLayer } from './image.ts';

/** The most that one layer may expand to. */
const MAX_LAYER_RAW_BYTES = 16 * 1024 ** 3;

/** An image's layers as uncompressed tars, each opened on first use. Close it. */
export interface LayerSet {
  readonly image: Image;
  /** The layer's tar, its digest checked; `StorageError` `missing` when the image has no such layer. */
  tar(diffId: Digest): Promise<RandomAccess>;
  close(): Promise<void>;
}

/**
 * Layers are decompressed into `scratch` (which is made if needed) when they are first asked for.
 * `tar` throws `corrupt` when a layer's digest or diff_id is not the promised one.
 */
export async function openLayers(
  blobs: BlobReader,
  image: Image,
  scratch: string,
  options: IoOptions = {},
): Promise<LayerSet> {
  await mkdir(scratch, { recursive: true });
  const open = new Map<Digest, Promise<FileAccess>>();
  return {
    image,
    tar: (diffId) => {
      const known = open.get(diffId);
      if (known !== undefined) return known;
      const layer = image.layers.find((candidate) => candidate.diffId === diffId);
      if (layer === undefined) {
        return Promise.reject(
          new StorageError('missing', `${image.manifest.digest} has no layer ${diffId}`),
        );
      }
      const tar = unpack(blobs, layer, scratch, options);
      open.set(diffId, tar);
      return tar;
    },
    close: async () => {
      for (const tar of await Promise.allSettled(open.values())) {
        if (tar.status === 'fulfilled') await tar.value.close();
      }
      for (const diffId of open.keys()) await rm(tarPath(scratch, diffId), { force: true });
      open.clear();
    },
  };
}

async function unpack(
  blobs: BlobReader,
  { descriptor, diffId }: ImageLayer,
  scratch: string,
  { signal }: IoOptions,
): Promise<FileAccess> {
  const path = tarPath(scratch, diffId);
  const what = `layer ${descriptor.digest}`;
  try {
    const source = await blobs.open(descriptor.digest, { signal });
    await pipeline(
      openLayer(source, { maxRawBytes: MAX_LAYER_RAW_BYTES, signal }),
      verifyStream({ digest: diffId }, `${what}, uncompressed,`),
      createWriteStream(path),
    );
    return await FileAccess.open(path);
  } catch (error) {
    await rm(path, { force: true });
    if (!isStorageError(error, 'digest_mismatch')) throw fromErrno(error, what);
    throw new DeltaError(
      'corrupt',
      `${what} does not hold ${diffId}, as the image's config says: ${String(error)}`,
      { cause: error },
    );
  }
}

function tarPath(scratch: string, diffId: Digest): string {
  return join(scratch, `${digestAlgorithm(diffId)}-${digestHex(diffId)}.tar`);
}
