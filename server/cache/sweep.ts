import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { CachedObjects } from '../../storage/catalog/cache-objects.ts';
import { isDigest } from '../../storage/digest.ts';

const BLOB_FILE = /^(sha256|sha512)-([0-9a-f]+)\.(?:data|map)$/;
const TEMPORARY = /^\.[0-9a-f]+\.tmp$/;

/** Removes what a crash left in the folder of blobs: temporary files, and files that no row names. */
export async function sweepBlobFolder(folder: string, objects: CachedObjects): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    const match = BLOB_FILE.exec(name);
    const digest = match === null ? '' : `${match[1] ?? ''}:${match[2] ?? ''}`;
    const orphan = isDigest(digest)
      ? (await objects.get(digest)) === undefined
      : TEMPORARY.test(name);
    if (!orphan) continue;
    await rm(join(folder, name), { force: true });
    removed += 1;
  }
  return removed;
}
