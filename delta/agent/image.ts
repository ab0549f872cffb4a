import {
  isImageManifestType,
  MEDIA_TYPES,
  type Descriptor,
  type Platform,
} from '../../storage/descriptor.ts';
import { digestOf, verifyBytes, type Digest } from '../../storage/digest.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { JsonReader } from './json.ts';

export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
const MAX_LAYERS = 512;

/** Annotation of the variant: the digest of the manifest as it was released. */
export const SOURCE_ANNOTATION = 'org.rivulet.source.digest';

/** An image manifest as released, opened as far as a device needs. */
export interface SourceManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A release: its manifest and config, and the digests of its uncompressed layers, base first. */
export interface ReleaseImage {
  readonly manifest: SourceManifest;
  readonly configBytes: Buffer;
  readonly diffIds: readonly Digest[];
  readonly platform: Platform;
}

/** Opens a manifest whose digest was promised; `corrupt` when it is another or not an image. */
export function parseSourceManifest(bytes: Buffer, digest: Digest): SourceManifest {
  const what = `manifest ${digest}`;
  checkDigest(bytes, digest, what);
  const reader = JsonReader.parse(bytes, what, 'corrupt');
  const mediaType = reader.has('mediaType') ? reader.string('mediaType') : MEDIA_TYPES.ociManifest;
  if (!isImageManifestType(mediaType)) {
    throw new DeviceError('corrupt', `${what} is a ${mediaType}, not an image manifest`);
  }
  return {
    digest,
    bytes,
    config: descriptor(reader.object('config')),
    layers: reader.objects('layers', MAX_LAYERS).map(descriptor),
    annotations: reader.stringMap('annotations', 1024),
  };
}

/** Joins a manifest and its config; `corrupt` unless they fit each other. */
export function parseRelease(manifest: SourceManifest, configBytes: Buffer): ReleaseImage {
  const what = `config ${manifest.config.digest}`;
  checkDigest(configBytes, manifest.config.digest, what);
  const reader = JsonReader.parse(configBytes, what, 'corrupt');
  const diffIds = reader.object('rootfs').digests('diff_ids', MAX_LAYERS);
  if (diffIds.length !== manifest.layers.length) {
    throw new DeviceError(
      'corrupt',
      `${what} names ${diffIds.length} layers, its manifest ${manifest.layers.length}`,
    );
  }
  const platform = {
    os: reader.string('os', 64),
    architecture: reader.string('architecture', 64),
    ...(reader.has('variant') ? { variant: reader.string('variant', 64) } : {}),
  };
  return { manifest, configBytes, diffIds, platform };
}

/**
 * The manifest that a slot holds: the same config, so the same image ID, and the layers uncompressed,
 * so that each layer's digest is its diff_id. `sizes` are the tars' bytes, in order. Deterministic.
 */
export function variantManifest(image: ReleaseImage, sizes: readonly number[]): Buffer {
  const { manifest } = image;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: {
        mediaType: MEDIA_TYPES.ociConfig,
        digest: manifest.config.digest,
        size: image.configBytes.length,
      },
      layers: image.diffIds.map((digest, i) => ({
        mediaType: MEDIA_TYPES.ociLayerTar,
        digest,
        size: sizes[i],
      })),
      annotations: { ...manifest.annotations, [SOURCE_ANNOTATION]: manifest.digest },
    }),
  );
}

/** The OCI layout's index.json: one image, by the channel's name. */
export function slotIndex(image: ReleaseImage, variant: Buffer, channel: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [
        {
          mediaType: MEDIA_TYPES.ociManifest,
          digest: digestOf(variant),
          size: variant.length,
          platform: image.platform,
          annotations: {
            'org.opencontainers.image.ref.name': channel,
            [SOURCE_ANNOTATION]: image.manifest.digest,
          },
        },
      ],
    }),
  );
}

function descriptor(reader: JsonReader): Descriptor {
  return {
    mediaType: reader.string('mediaType', 256),
    digest: reader.digest('digest'),
    size: reader.count('size'),
  };
}

function checkDigest(bytes: Buffer, digest: Digest, what: string): void {
  try {
    verifyBytes(bytes, { digest }, what);
  } catch (error) {
    throw toDeviceError(error, 'verification');
  }
}
