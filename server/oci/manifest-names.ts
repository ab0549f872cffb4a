import type { ManifestChild } from '../../storage/catalog/repository-catalog.ts';
import { isImageManifestType, isIndexType, type Descriptor } from '../../storage/descriptor.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { RepoName } from '../../storage/names.ts';
import { OciError } from './errors.ts';
import type { Named } from './manifest-document.ts';
import { isNonDistributable } from './manifest-schema.ts';
import type { RegistryOptions } from './options.ts';

type Stores = Pick<RegistryOptions, 'blobs' | 'catalog'>;

/**
 * Checks that the repository has what a manifest names, in the size that it says, and returns what is
 * there. Only non-distributable layers may be absent. MANIFEST_BLOB_UNKNOWN, SIZE_INVALID.
 */
export async function checkNames(
  stores: Stores,
  repo: RepoName,
  names: readonly Named[],
  options: IoOptions,
): Promise<readonly ManifestChild[]> {
  const children = new Map<string, ManifestChild>();
  const sizes = new Map<string, Found>();
  for (const { kind, descriptor } of names) {
    const { digest } = descriptor;
    const key = `${kind} ${digest}`;
    const found = sizes.get(key) ?? (await find(stores, repo, kind, descriptor, options));
    if (found === undefined) {
      if (kind === 'layer' && isNonDistributable(descriptor.mediaType)) continue;
      throw new OciError('MANIFEST_BLOB_UNKNOWN', `${repo} lacks ${digest}: push it first`, {
        detail: { digest },
      });
    }
    checkSize(descriptor, found.size);
    sizes.set(key, found);
    children.set(key, { digest, kind: found.kind });
  }
  return [...children.values()];
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
    if (isImageManifestType(mediaType) || isIndexType(mediaType)) return undefined;
  }
  if (!(await repositories.hasBlob(repo, digest))) return undefined;
  const stat = await stores.blobs.stat(digest, { signal });
  return stat === undefined
    ? undefined
    : { kind: kind === 'manifest' ? 'layer' : kind, size: stat.size };
}

function checkSize(descriptor: Descriptor, actual: number): void {
  const { digest, size } = descriptor;
  if (size === actual) return;
  throw new OciError('SIZE_INVALID', `${digest} has ${actual} bytes, the manifest says ${size}`, {
    detail: { digest, expected: size, actual },
  });
}
