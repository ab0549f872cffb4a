import { readBlob, type BlobReader } from '../storage/blob-store.ts';
import {
  formatPlatform,
  isImageManifestType,
  isIndexType,
  MEDIA_TYPES,
  type Descriptor,
} from '../storage/descriptor.ts';
import type { Digest } from '../storage/digest.ts';
import { isStorageError, StorageError } from '../storage/errors.ts';
import type { IoOptions } from '../storage/object-store.ts';
import { DeltaError } from './errors.ts';
import {
  documentType,
  looksLikeIndex,
  MAX_DOCUMENT_BYTES,
  parseConfig,
  parseIndex,
  parseManifest,
} from './image-documents.ts';

export interface ImageLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar, from the config's `rootfs.diff_ids`. */
  readonly diffId: Digest;
}

/** One platform's image, its documents kept as exact bytes. */
export interface Image {
  readonly manifest: Descriptor;
  readonly manifestBytes: Buffer;
  readonly config: Descriptor;
  readonly configBytes: Buffer;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** Lowest layer first. */
  readonly layers: readonly ImageLayer[];
}

/**
 * Reads an image's manifest and config and checks their digests, sizes and shapes; the layers
 * themselves are not touched. Throws `corrupt` for documents that are no image or contradict each
 * other, `StorageError` `missing` (saying who names the blob), `digest_mismatch`, `too_large`.
 */
export async function readImage(
  blobs: BlobReader,
  manifest: Digest,
  options: IoOptions = {},
): Promise<Image> {
  const manifestBytes = await readDocument(blobs, manifest, `the manifest ${manifest}`, options);
  const what = `the manifest ${manifest}`;
  const document = parseManifest(manifestBytes, what);
  const mediaType = document.mediaType ?? MEDIA_TYPES.ociManifest;
  if (!isImageManifestType(mediaType)) {
    throw new DeltaError('corrupt', `${what} is no image: its type is ${mediaType}`);
  }
  const { config } = document;
  const configBytes = await readDocument(blobs, config.digest, `the config of ${what}`, options);
  checkSize(configBytes, config, `the config of ${what}`);
  const { platform, diffIds } = parseConfig(configBytes, `the config of ${what}`);
  if (diffIds.length !== document.layers.length) {
    throw new DeltaError(
      'corrupt',
      `${what} has ${document.layers.length} layers, its config ${diffIds.length} diff_ids`,
    );
  }
  const layers = document.layers.flatMap((descriptor, n) => {
    const diffId = diffIds[n];
    return diffId === undefined ? [] : [{ descriptor, diffId }];
  });
  return {
    manifest: { mediaType, digest: manifest, size: manifestBytes.length },
    manifestBytes,
    config,
    configBytes,
    platform,
    layers,
  };
}

/** Indexes in indexes: deeper than anybody nests them. */
const MAX_INDEX_DEPTH = 4;
const MAX_INDEX_CHILDREN = 1024;

export interface ListOptions extends IoOptions {
  /** Told of a child of an index that the store lacks, which is left out; without it: `missing`. */
  readonly onAbsent?: ((child: Digest) => void) | undefined;
}

/**
 * The images under an index, in order, or the image itself; each digest once. Attestations
 * (`unknown/unknown`) and children that are neither image nor index are left out, nested indexes
 * followed. Throws `corrupt` for a broken document, a cycle or too many children, and
 * `StorageError` as {@link readImage} does.
 */
export async function listImages(
  blobs: BlobReader,
  digest: Digest,
  options: ListOptions = {},
): Promise<readonly { readonly platform: string; readonly manifest: Descriptor }[]> {
  const found = new Map<Digest, { platform: string; manifest: Descriptor }>();
  await collect(blobs, { digest, path: [] }, found, options);
  return [...found.values()];
}

interface Visit {
  readonly digest: Digest;
  /** The descriptor that named it, if any. */
  readonly descriptor?: Descriptor | undefined;
  /** The indexes that led here, outermost first. */
  readonly path: readonly Digest[];
}

async function collect(
  blobs: BlobReader,
  visit: Visit,
  found: Map<Digest, { platform: string; manifest: Descriptor }>,
  options: ListOptions,
): Promise<void> {
  const { digest, path } = visit;
  if (path.includes(digest)) throw new DeltaError('corrupt', `the index ${digest} contains itself`);
  if (path.length > MAX_INDEX_DEPTH) {
    throw new DeltaError('corrupt', `the index ${path[0] ?? digest} is nested too deeply`);
  }
  const parent = path.at(-1);
  const what = parent === undefined ? `the manifest ${digest}` : `${digest} in the index ${parent}`;
  if (parent !== undefined && options.onAbsent !== undefined) {
    if ((await blobs.stat(digest, options)) === undefined) {
      options.onAbsent(digest);
      return;
    }
  }
  const bytes = await readDocument(blobs, digest, what, options);
  if (visit.descriptor !== undefined) checkSize(bytes, visit.descriptor, what);
  if (!isIndex(bytes, what)) {
    found.set(digest, await describe(blobs, visit, bytes, options));
  } else {
    for (const child of parseIndex(bytes, what)) {
      if (found.size > MAX_INDEX_CHILDREN) {
        throw new DeltaError('corrupt', `${what} has more than ${MAX_INDEX_CHILDREN} images`);
      }
      if (!isWanted(child)) continue;
      await collect(
        blobs,
        { digest: child.digest, descriptor: child, path: [...path, digest] },
        found,
        options,
      );
    }
  }
}

function isIndex(bytes: Buffer, what: string): boolean {
  const type = documentType(bytes, what);
  return type === undefined ? looksLikeIndex(bytes, what) : isIndexType(type);
}

function isWanted({ mediaType, platform }: Descriptor): boolean {
  if (isIndexType(mediaType)) return true;
  return isImageManifestType(mediaType) && platform?.os !== 'unknown';
}

async function describe(
  blobs: BlobReader,
  { digest, descriptor }: Visit,
  bytes: Buffer,
  options: IoOptions,
): Promise<{ platform: string; manifest: Descriptor }> {
  if (descriptor?.platform !== undefined) {
    return { platform: formatPlatform(descriptor.platform), manifest: descriptor };
  }
  const image = await readImage(blobs, digest, options);
  return {
    platform: image.platform,
    manifest: descriptor ?? { ...image.manifest, size: bytes.length },
  };
}

async function readDocument(
  blobs: BlobReader,
  digest: Digest,
  what: string,
  options: IoOptions,
): Promise<Buffer> {
  try {
    return await readBlob(blobs, digest, {
      maxBytes: MAX_DOCUMENT_BYTES,
      signal: options.signal,
    });
  } catch (error) {
    if (!isStorageError(error, 'missing')) throw error;
    throw new StorageError('missing', `${what} is missing from the store: push it again`, {
      cause: error,
      detail: { digest },
    });
  }
}

function checkSize(bytes: Buffer, descriptor: Descriptor, what: string): void {
  if (bytes.length === descriptor.size) return;
  throw new DeltaError(
    'corrupt',
    `${what} has ${bytes.length} bytes where its descriptor says ${descriptor.size}`,
    { detail: { digest: descriptor.digest } },
  );
}
