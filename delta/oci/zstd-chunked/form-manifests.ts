import { MEDIA_TYPES, type Descriptor } from '../../../storage/descriptor.ts';
import type { Image } from '../../image.ts';
import { DeltaError } from '../../errors.ts';
import type { LayerForm } from './layer-form.ts';

/** A manifest's bytes, and their type. */
export interface FormManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** In an index: clients that know zstd prefer an entry that says so. */
const ZSTD_ENTRY = { 'io.github.containers.compression.zstd': 'true' };

/**
 * The manifest of an image with the forms of its layers in the layers' places. Config, and so the image's
 * identity, and annotations are the pushed image's; the type is always OCI's, the only one with zstd.
 */
export function formManifest(
  image: Image,
  layers: readonly Pick<LayerForm, 'digest' | 'size' | 'annotations'>[],
): FormManifest {
  const { mediaType, digest, size } = image.config;
  const isDocker = mediaType === MEDIA_TYPES.dockerConfig;
  return json(MEDIA_TYPES.ociManifest, {
    config: { mediaType: isDocker ? MEDIA_TYPES.ociConfig : mediaType, digest, size },
    layers: layers.map((layer) => ({
      mediaType: MEDIA_TYPES.ociLayerZstd,
      digest: layer.digest,
      size: layer.size,
      annotations: layer.annotations,
    })),
    annotations: annotationsOf(image.manifestBytes),
  });
}

/** An index's image, and the form of it where there is one. */
export interface FormedChild {
  readonly pushed: Descriptor;
  readonly form: Pick<Descriptor, 'mediaType' | 'digest' | 'size'> | undefined;
}

/** The index of an index's images in their forms; an image that has none is there as it was pushed. */
export function formIndex(indexBytes: Buffer, children: readonly FormedChild[]): FormManifest {
  if (children.every(({ form }) => form === undefined)) {
    throw new DeltaError('refused', 'no zstd:chunked form: none of its images has one');
  }
  return json(MEDIA_TYPES.ociIndex, {
    manifests: children.map(({ pushed, form }) => {
      if (form === undefined) return pushed;
      const { mediaType, digest, size } = form;
      const { platform, annotations } = pushed;
      return { mediaType, digest, size, platform, annotations: { ...annotations, ...ZSTD_ENTRY } };
    }),
    annotations: annotationsOf(indexBytes),
  });
}

function json(mediaType: string, fields: Readonly<Record<string, unknown>>): FormManifest {
  return {
    mediaType,
    bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields })),
  };
}

/** A document that was read before. */
function annotationsOf(bytes: Buffer): unknown {
  const document: unknown = JSON.parse(bytes.toString('utf8'));
  const known = typeof document === 'object' && document !== null && 'annotations' in document;
  return known ? document.annotations : undefined;
}
