import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { BlobReader } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';

/**
 * Makes a blob that another repository has (`from`, or any) part of this one without its bytes (OCI
 * distribution 1.1, "Mounting a blob from another repository"). False when it is not there, or a
 * collector takes it: then it has to be pushed.
 */
export async function mountBlob(
  stores: {
    readonly blobs: Pick<BlobReader, 'stat'>;
    readonly catalog: Pick<Catalog, 'repositories'>;
  },
  repo: RepoName,
  digest: Digest,
  from: RepoName | undefined,
  { signal }: IoOptions = {},
): Promise<boolean> {
  const { repositories } = stores.catalog;
  const found =
    from === undefined
      ? (await repositories.findBlob(digest)) !== undefined
      : await repositories.hasBlob(from, digest);
  const stat = found ? await stores.blobs.stat(digest, { signal }) : undefined;
  if (stat === undefined) return false;
  try {
    await repositories.linkBlob(repo, digest, stat.size);
    return true;
  } catch (error) {
    if (isStorageError(error, 'unavailable')) return false;
    throw error;
  }
}
