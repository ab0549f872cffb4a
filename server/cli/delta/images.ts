import { openDelta } from '../../../delta/apply.ts';
import { buildImageDelta, type BuildReport, type Profile } from '../../../delta/build.ts';
import { listImages, readImage, type Image } from '../../../delta/image.ts';
import { openLayers, type LayerSet } from '../../../delta/layers.ts';
import { proveImageDelta } from '../../../delta/prove.ts';
import { FileAccess } from '../../../storage/random-access.ts';
import { ServerError } from '../../errors.ts';
import { openOciLayout } from '../sources/oci-layout.ts';
import { applyImageToLayout } from './image-layout.ts';
import type { ImageOperand } from './operands.ts';

/** Builds the delta from one image to another, and proves it if asked to. */
export async function buildImage(
  from: ImageOperand,
  to: ImageOperand,
  options: {
    readonly output: string;
    readonly scratch: string;
    readonly profile: Profile;
    readonly proof: boolean;
    readonly withoutEngine: boolean;
    readonly onProgress: (fraction: number) => void;
  },
): Promise<BuildReport> {
  const old = await openImageOperand(from, options.scratch);
  try {
    const next = await openImageOperand(to, options.scratch);
    try {
      const report = await buildImageDelta({ from: old, to: next, ...options });
      if (options.proof) {
        await proveImageDelta({ delta: options.output, from: old, to: next.image });
      }
      return report;
    } finally {
      await next.close();
    }
  } finally {
    await old.close();
  }
}

/** Writes the image that the delta leads to as an OCI layout. */
export async function applyImage(
  from: ImageOperand,
  deltaPath: string,
  output: string,
  scratch: string,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const file = await FileAccess.open(deltaPath);
  try {
    const delta = await openDelta(file);
    const base = await openImageOperand(from, scratch);
    try {
      await applyImageToLayout(delta, base, output, { onProgress });
    } finally {
      await base.close();
    }
  } finally {
    await file.close();
  }
}

/** Opens the image's layers as tars; `scratch` takes what has to be decompressed. */
async function openImageOperand(operand: ImageOperand, scratch: string): Promise<LayerSet> {
  const source = await openOciLayout(operand.dir, operand.tag);
  const images = await listImages(source.blobs, source.root.digest);
  const found =
    operand.platform === undefined
      ? images.length === 1
        ? images[0]
        : undefined
      : images.find(({ platform }) => platform === operand.platform);
  if (found === undefined) {
    const known = images.map(({ platform }) => platform).join(', ');
    throw new ServerError(
      operand.platform === undefined ? 'usage' : 'not_found',
      operand.platform === undefined
        ? `${operand.dir} holds several platforms: say which with @os/arch (${known})`
        : `${operand.dir} has no image for ${operand.platform} (it has ${known})`,
    );
  }
  const image: Image = await readImage(source.blobs, found.manifest.digest);
  return openLayers(source.blobs, image, scratch);
}
