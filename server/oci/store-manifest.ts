import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ManifestChild, ManifestRow } from '../../storage/catalog/repository-catalog.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import { retry } from '../../storage/retry.ts';

/** A manifest that was read and checked. */
export interface CheckedManifest {
  readonly bytes: Buffer;
  readonly row: ManifestRow;
  readonly children: readonly ManifestChild[];
}

/**
 * Stores a manifest's bytes, then the rows that make it visible, and the tag. Tried again when a
 * collector takes an old blob of those bytes in between; `unavailable` when it takes what the manifest names.
 */
export async function storeManifest(
  stores: { readonly blobs: BlobStore; readonly catalog: Pick<Catalog, 'repositories'> },
  repo: RepoName,
  { bytes, row, children }: CheckedManifest,
  tag: Tag | undefined,
  { signal }: IoOptions = {},
): Promise<void> {
  const { digest } = row;
  let created = false;
  await retry(
    async () => {
      created = (await stores.blobs.putBytes(bytes, { digest, signal })).created || created;
      await stores.catalog.repositories.putManifest(repo, row, children, tag, { created });
    },
    { signal },
  );
}
