import { DigestHasher, digestAlgorithm, type Digest } from '../digest.ts';
import { isStorageError, StorageError } from '../errors.ts';
import { blobKey } from '../keys.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

/** What reading a blob to its end shows. */
export type BytesFound = 'whole' | 'corrupt' | 'unreadable' | 'missing';

/** Reads a blob and compares its digest. Throws `aborted` alone. */
export async function lookAtBytes(
  objects: ObjectStore,
  digest: Digest,
  { signal }: IoOptions = {},
): Promise<BytesFound> {
  const hasher = new DigestHasher(digestAlgorithm(digest));
  try {
    for await (const bytes of await objects.open(blobKey(digest), { signal })) {
      hasher.update(bytes as Buffer);
    }
  } catch (error) {
    if (isStorageError(error, 'missing')) return 'missing';
    if (!(error instanceof StorageError) || error.code === 'aborted') throw error;
    // Fewer bytes than the file or the answer promised.
    return error.code === 'corrupt' ? 'corrupt' : 'unreadable';
  }
  return hasher.digest() === digest ? 'whole' : 'corrupt';
}
