import type { BlobReader } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { StorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import { formatObjectName, type OstreeObjectName } from '../../storage/ostree/object-name.ts';
import { openContent } from '../../storage/ostree/object-reader.ts';
import { OBJECT_LIMITS } from '../../delta/ostree/objects/limits.ts';

/** Where objects lie. */
export interface ObjectPlace {
  readonly blobs: BlobReader;
  readonly catalog: Pick<Catalog, 'ostree'>;
}

/** The content of an object that the repository has, in order; lost packs are `corrupt`, not `missing`. */
export async function* openObject(
  { blobs, catalog }: ObjectPlace,
  name: OstreeObjectName,
  options: Parameters<typeof openContent>[2] = {},
): AsyncGenerator<Buffer, void> {
  const chunks = await catalog.ostree.chunksOf(name, options.range);
  try {
    yield* openContent(blobs, chunks, options);
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause.code !== 'missing') throw cause;
    throw new StorageError('corrupt', `${formatObjectName(name)}: ${cause.message}`, { cause });
  }
}

/** A metadata object's bytes; undefined when the repository does not have it. */
export async function readMetadataObject(
  place: ObjectPlace,
  repo: RepoName,
  name: OstreeObjectName,
  { signal }: IoOptions = {},
): Promise<Buffer | undefined> {
  const row = await place.catalog.ostree.object(repo, name);
  if (row === undefined) return undefined;
  if (row.size > OBJECT_LIMITS.metadataBytes) {
    throw new StorageError('corrupt', `${formatObjectName(name)} has ${row.size} bytes`);
  }
  const parts: Buffer[] = [];
  for await (const part of openObject(place, name, { signal })) parts.push(part);
  return Buffer.concat(parts, row.size);
}
