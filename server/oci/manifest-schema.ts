import { Ajv, type ValidateFunction } from 'ajv';

import { MEDIA_TYPES, type Descriptor } from '../../storage/descriptor.ts';

/** An image manifest, as far as a registry reads it. */
export interface ImageDocument {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image index, as far as a registry reads it. */
export interface IndexDocument {
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Compiled schemas of the manifests that a registry knows; unknown fields are welcome. */
export interface ManifestSchemas {
  readonly image: ValidateFunction<ImageDocument>;
  readonly index: ValidateFunction<IndexDocument>;
}

const annotations = { type: 'object', additionalProperties: { type: 'string' } } as const;

/** OCI image specification 1.1, "Content Descriptors". */
const descriptor = {
  type: 'object',
  required: ['mediaType', 'digest', 'size'],
  properties: {
    mediaType: { type: 'string', minLength: 1, maxLength: 255 },
    digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$' },
    size: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    artifactType: { type: 'string' },
    annotations,
    platform: {
      type: 'object',
      required: ['os', 'architecture'],
      properties: {
        os: { type: 'string' },
        architecture: { type: 'string' },
        variant: { type: 'string' },
      },
    },
  },
} as const;

const common = {
  schemaVersion: { const: 2 },
  subject: descriptor,
  artifactType: { type: 'string' },
  annotations,
} as const;

/**
 * What is an image and an index at once means different things to different clients (CVE-2021-41190):
 * each schema forbids the other's fields.
 */
const image = {
  type: 'object',
  required: ['schemaVersion', 'config', 'layers'],
  properties: { ...common, config: descriptor, layers: { type: 'array', items: descriptor } },
  not: { required: ['manifests'] },
} as const;

const index = {
  type: 'object',
  required: ['schemaVersion', 'manifests'],
  properties: { ...common, manifests: { type: 'array', items: descriptor } },
  not: { anyOf: [{ required: ['layers'] }, { required: ['config'] }] },
} as const;

/** What {@link compileManifestSchemas} compiles. */
export const MANIFEST_SCHEMAS = { image, index } as const;

export function compileManifestSchemas(): ManifestSchemas {
  // Strict names unknown keywords; to hold the schemas against the meta-schema is a test's work.
  const ajv = new Ajv({
    ...{ strict: true, strictRequired: false, allErrors: false, validateSchema: false },
  });
  return { image: ajv.compile<ImageDocument>(image), index: ajv.compile<IndexDocument>(index) };
}

/** Media types of layers that are tars which Rivulet opens. */
export const TAR_LAYER_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPES.ociLayerTar,
  MEDIA_TYPES.ociLayerGzip,
  MEDIA_TYPES.ociLayerZstd,
  MEDIA_TYPES.dockerLayerGzip,
]);
