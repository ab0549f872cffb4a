import type { ManifestChild } from '../../storage/catalog/repository-catalog.ts';
import { isImageManifestType, isIndexType, type Descriptor } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { RepoName } from '../../storage/names.ts';
import { OciError } from './errors.ts';
import type { Named } from './manifest-document.ts';
import { TAR_LAYER_TYPES } from './manifest-schema.ts';
import type { RegistryOptions } from './options.ts';

type Stores = Pick<RegistryOptions, 'blobs' | 'catalog'>;

/** What a manifest names, and what of it the repository lacks. */
export interface CheckedNames {
  readonly children: readonly ManifestChild[];
  readonly absent: readonly Digest[];
}

/**
 * Checks that the repository has what a manifest names, in the size that it says. Layers, and images
 * and indexes in an index, may be absent: a registry may take such sparse manifests (OCI distribution
 * 1.1, "Pushing Manifests"), and clients that mirror one platform push them. A config that is
 * absent, or a blob in an index, is MANIFEST_BLOB_UNKNOWN; what is there in another size SIZE_INVALID.
 */
export async function checkNames(
  stores: Stores,
  repo: RepoName,
  names: readonly Named[],
  options: IoOptions,
): Promise<CheckedNames> {
  const children = new Map<string, ManifestChild>();
  const sizes = new Map<string, Found>();
  const absent = new Set<Digest>();
  for (const named of names) {
    const { kind, descriptor } = named;
    const { digest } = descriptor;
    const key = `${kind} ${digest}`;
    const found = sizes.get(key) ?? (await find(stores, repo, kind, descriptor, options));
    if (found === undefined) {
      if (!mayBeAbsent(named)) throw lacking(repo, digest);
      absent.add(digest);
    } else {
      checkSize(descriptor, found.size);
      sizes.set(key, found);
    }
    children.set(key, toChild(named, found?.kind ?? kind));
  }
  return { children: [...children.values()], absent: [...absent] };
}

function mayBeAbsent({ kind, descriptor }: Named): boolean {
  if (kind !== 'manifest') return kind === 'layer';
  return isImageManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType);
}

/** A row of what a manifest names; `as`: what the repository has it as. */
export function toChild({ kind, descriptor }: Named, as: ManifestChild['kind']): ManifestChild {
  const { digest, mediaType } = descriptor;
  const isTar = kind === 'layer' && TAR_LAYER_TYPES.has(mediaType);
  return { digest, kind: as, ...(isTar && { tarType: mediaType }) };
}

function lacking(repo: RepoName, digest: Digest): OciError {
  return new OciError('MANIFEST_BLOB_UNKNOWN', `${repo} lacks ${digest}: push it first`, {
    detail: { digest },
  });
}

interface Found {
  readonly kind: ManifestChild['kind'];
  readonly size: number;
}

async function find(
  stores: Stores,
  repo: RepoName,
  kind: ManifestChild['kind'],
  descriptor: Descriptor,
  { signal }: IoOptions,
): Promise<Found | undefined> {
  const { digest, mediaType } = descriptor;
  const { repositories } = stores.catalog;
  if (kind === 'manifest') {
    const row = await repositories.getManifest(repo, digest);
    if (row !== undefined) return { kind, size: row.size };
    // An index may hold blobs too (BuildKit's caches do), but no manifest is pushed as a blob.
    if (isImageManifestType(mediaType) || isIndexType(mediaType)) {
      if (await repositories.hasBlob(repo, digest)) throw lacking(repo, digest);
      return undefined;
    }
  }
  if (!(await repositories.hasBlob(repo, digest))) return undefined;
  const stat = await stores.blobs.stat(digest, { signal });
  // The row promised it: that is damage, and pushing it again mends it.
  if (stat === undefined) throw lacking(repo, digest);
  return { kind: kind === 'manifest' ? 'layer' : kind, size: stat.size };
}

function checkSize(descriptor: Descriptor, actual: number): void {
  const { digest, size } = descriptor;
  if (size === actual) return;
  throw new OciError('SIZE_INVALID', `${digest} has ${actual} bytes, the manifest says ${size}`, {
    detail: { digest, expected: size, actual },
  });
}
