import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

import {
  parseRelease,
  parseSourceManifest,
  slotIndex,
  variantManifest,
} from '../../../delta/agent/image.ts';
import { layoutBlob } from '../../../delta/agent/paths.ts';
import { applyDelta, type ApplyOptions, type DeltaFile } from '../../../delta/apply.ts';
import { DeltaError } from '../../../delta/errors.ts';
import type { LayerSet } from '../../../delta/layers.ts';
import { streamOf } from '../sources/tar-archive.ts';
import { digestOf, verifyStream, type Digest } from '../../../storage/digest.ts';

/**
 * Applies an image delta and writes the target as an OCI layout whose layers are whole, uncompressed
 * tars under the same config (so the same image ID); the released manifest is kept beside. The
 * folder appears only when everything in it is right.
 */
export async function applyImageToLayout(
  delta: DeltaFile,
  base: LayerSet,
  output: string,
  options: ApplyOptions = {},
): Promise<void> {
  const { manifestBytes, configBytes, to } = delta;
  if (manifestBytes === undefined || configBytes === undefined || to === undefined) {
    throw new DeltaError('bad_format', 'the delta carries no image');
  }
  await mkdir(dirname(resolve(output)), { recursive: true });
  const made = await mkdtemp(`${resolve(output)}.`);
  try {
    await mkdir(join(made, 'blobs', 'sha256'), { recursive: true });
    const known = new Set(base.image.layers.map(({ diffId }) => diffId));
    await applyDelta(
      delta,
      { tar: (diffId) => (known.has(diffId) ? base.tar(diffId) : Promise.resolve(undefined)) },
      {
        output: ({ diffId }) => Promise.resolve(createWriteStream(layoutBlob(made, diffId))),
      },
      options,
    );
    for (const { diffId, size, reuse } of delta.outputs) {
      if (reuse) await copyTar(base, diffId, size, layoutBlob(made, diffId));
    }
    const image = parseRelease(parseSourceManifest(manifestBytes, to), configBytes);
    const sizes = delta.outputs.map(({ size }) => size);
    const variant = variantManifest(image, sizes);
    for (const bytes of [manifestBytes, configBytes, variant]) {
      await writeFile(layoutBlob(made, digestOf(bytes)), bytes);
    }
    await writeFile(join(made, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(made, 'index.json'), slotIndex(image, variant, 'latest'));
    await rename(made, output);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

async function copyTar(base: LayerSet, diffId: Digest, size: number, path: string): Promise<void> {
  const tar = streamOf(await base.tar(diffId));
  const check = verifyStream({ digest: diffId, size }, `layer ${diffId}`);
  await pipeline(tar, check, createWriteStream(path));
}
