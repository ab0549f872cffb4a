import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { CachedObjects } from '../../storage/catalog/cache-objects.ts';
import { isDigest, type Digest } from '../../storage/digest.ts';

const BLOB_FILE = /^(sha256|sha512)-([0-9a-f]+)\.(data|map)$/;
const TEMPORARY = /^\.[0-9a-f]+\.tmp$/;
const PAGE = 500;
/** POSIX: `st_blocks` counts these. */
const DISK_BLOCK_BYTES = 512;

/**
 * Makes folder and catalog agree after a crash: removes temporary files and files that no row names,
 * drops rows without a file, and measures blobs that were not at rest. Returns what it removed.
 */
export async function sweepBlobFolder(
  folder: string,
  objects: CachedObjects,
): Promise<{ readonly files: number; readonly rows: number }> {
  const held = new Map<Digest, string>();
  let files = 0;
  for (const name of await readdir(folder)) {
    const match = BLOB_FILE.exec(name);
    const digest = match === null ? '' : `${match[1] ?? ''}:${match[2] ?? ''}`;
    const named = isDigest(digest) && (await objects.get(digest)) !== undefined;
    if (named && match?.[3] === 'data') held.set(digest, name);
    if (named || (!isDigest(digest) && !TEMPORARY.test(name))) continue;
    await rm(join(folder, name), { force: true });
    files += 1;
  }
  return { files, rows: await sweepRows(folder, held, objects) };
}

async function sweepRows(
  folder: string,
  held: ReadonlyMap<Digest, string>,
  objects: CachedObjects,
): Promise<number> {
  let rows = 0;
  for (let passed = 0; ;) {
    const page = await objects.leastRecent(PAGE, passed);
    if (page.length === 0) return rows;
    for (const { digest, size, complete } of page) {
      const name = held.get(digest);
      if (name === undefined) {
        await objects.delete(digest);
        rows += 1;
        continue;
      }
      passed += 1;
      if (complete) continue;
      const { blocks } = await stat(join(folder, name));
      await objects.measure(digest, Math.min(size, blocks * DISK_BLOCK_BYTES));
    }
  }
}
