import type { ManifestChild, ManifestRow } from '../../storage/catalog/repository-catalog.ts';
import {
  isImageManifestType,
  isIndexType,
  MEDIA_TYPES,
  type Descriptor,
} from '../../storage/descriptor.ts';
import { OciError } from './errors.ts';
import type { ManifestSchemas } from './manifest-schema.ts';

/** Something that a manifest names. */
export interface Named {
  readonly kind: ManifestChild['kind'];
  readonly descriptor: Descriptor;
}

/** What a registry needs to know of a manifest. */
export interface ManifestDocument extends Pick<
  ManifestRow,
  'mediaType' | 'subject' | 'artifactType' | 'annotations'
> {
  readonly names: readonly Named[];
}

/** RFC 6838, 4.2. It goes out again as a header. */
const MEDIA_TYPE = /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/;

/**
 * Reads a pushed manifest. Types that are not known pass unread, as any bytes. MANIFEST_INVALID when
 * a known type does not follow its schema, or Content-Type and `mediaType` contradict each other.
 */
export function readManifestDocument(
  bytes: Buffer,
  contentType: string | undefined,
  schemas: ManifestSchemas,
): ManifestDocument {
  const told = contentType?.split(';')[0]?.trim();
  const json = parseJson(bytes);
  const mediaType = mediaTypeOf(json, told === '' ? undefined : told);
  if (isImageManifestType(mediaType)) return readImage(json, mediaType, schemas);
  if (isIndexType(mediaType)) return readIndex(json, mediaType, schemas);
  return { mediaType, names: [] };
}

/** Undefined for what is not JSON: only a known type has to be. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function mediaTypeOf(json: unknown, told: string | undefined): string {
  const object = typeof json === 'object' && json !== null ? json : {};
  const own = 'mediaType' in object ? object.mediaType : undefined;
  if (own !== undefined && typeof own !== 'string') throw invalid('mediaType is not a string');
  if (own !== undefined && told !== undefined && own !== told) {
    throw invalid(`Content-Type is ${told}, but the manifest's mediaType is ${own.slice(0, 200)}`);
  }
  const mediaType = told ?? own ?? guess(object);
  if (!MEDIA_TYPE.test(mediaType)) throw invalid('the media type does not follow RFC 6838');
  return mediaType;
}

/** Without Content-Type and `mediaType`, the fields tell (OCI image specification 1.0). */
function guess(object: object): string {
  if ('manifests' in object) return MEDIA_TYPES.ociIndex;
  if ('layers' in object) return MEDIA_TYPES.ociManifest;
  throw invalid('neither Content-Type nor mediaType says what it is');
}

function readImage(json: unknown, mediaType: string, schemas: ManifestSchemas): ManifestDocument {
  const { image } = schemas;
  if (!image(json)) throw invalid(faultOf(image.errors));
  const layers = json.layers.map((descriptor): Named => ({ kind: 'layer', descriptor }));
  return {
    mediaType,
    subject: json.subject?.digest,
    artifactType: filled(json.artifactType) ?? json.config.mediaType,
    annotations: json.annotations,
    names: [{ kind: 'config', descriptor: json.config }, ...layers],
  };
}

function readIndex(json: unknown, mediaType: string, schemas: ManifestSchemas): ManifestDocument {
  const { index } = schemas;
  if (!index(json)) throw invalid(faultOf(index.errors));
  return {
    mediaType,
    subject: json.subject?.digest,
    artifactType: filled(json.artifactType),
    annotations: json.annotations,
    names: json.manifests.map((descriptor): Named => ({ kind: 'manifest', descriptor })),
  };
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function faultOf(errors: ManifestSchemas['image']['errors']): string {
  const fault = errors?.[0];
  if (fault === undefined) return 'it does not follow its schema';
  return `${fault.instancePath === '' ? 'the document' : fault.instancePath} ${fault.message ?? ''}`;
}

function invalid(why: string): OciError {
  return new OciError('MANIFEST_INVALID', `not a manifest: ${why}`);
}
