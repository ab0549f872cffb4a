import { listImages, readImage, type Image } from '../../delta/image.ts';
import { openLayers, type LayerSet } from '../../delta/layers.ts';
import { ServerError } from '../errors.ts';
import { openOciLayout } from './sources/oci-layout.ts';
import { splitTag } from './sources/source.ts';

/** What `rivulet delta` was given: a file or tar by its path, or one platform's image of a layout. */
export type Operand =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'image';
      readonly dir: string;
      readonly tag: string | undefined;
      readonly platform: string | undefined;
    };

/** Parses `PATH` or `oci:DIR[:TAG][@os/arch[/variant]]`. */
export function parseOperand(text: string): Operand {
  if (!text.startsWith('oci:')) return { kind: 'file', path: text };
  const [, place = '', platform] =
    /^oci:(.*?)(?:@([a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?))?$/.exec(text) ?? [];
  if (place === '') {
    throw new ServerError(
      'usage',
      `not an image: ${JSON.stringify(text)} (expected oci:DIR:TAG@os/arch[/variant])`,
    );
  }
  const { path, tag } = splitTag(place);
  return { kind: 'image', dir: path, tag, platform };
}

/** Opens the image's layers as tars; `scratch` takes what has to be decompressed. */
export async function openImageOperand(
  operand: Operand & { readonly kind: 'image' },
  scratch: string,
): Promise<LayerSet> {
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
