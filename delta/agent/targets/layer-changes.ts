import { lstat, readdir, rm, rmdir } from 'node:fs/promises';

import { errnoOf } from '../../../storage/durable.ts';
import { join, type RootPlace } from './root-path.ts';

/** Marks of deletion (OCI image specification, "Whiteouts" and "Opaque Whiteout"). */
export const WHITEOUT = Buffer.from('.wh.');
export const OPAQUE = Buffer.from('.wh..wh..opq');

/** What one layer has made so far: its whiteouts reach only what lower layers made. */
export class LayerChanges {
  /** Paths of this layer and of the folders above them. */
  readonly #made = new Set<string>();

  /** Notes an entry of this layer and every folder above it. */
  note(root: Buffer, place: RootPlace): void {
    let path = place.path;
    while (path.length > root.length) {
      this.#made.add(path.toString('latin1'));
      path = path.subarray(0, path.lastIndexOf(0x2f));
    }
  }

  /** Removes a name that lower layers made. */
  async removeLower(folder: Buffer, name: Buffer): Promise<void> {
    const path = join(folder, name);
    if (!this.#made.has(path.toString('latin1'))) await removeTree(path);
    else if (await isRealFolder(path)) await this.emptyLower(path);
  }

  /** Removes everything in a folder that lower layers made. */
  async emptyLower(folder: Buffer): Promise<void> {
    for (const name of await readdir(folder, { encoding: 'buffer' })) {
      await this.removeLower(folder, name);
    }
  }
}

/** Removes whatever is there. */
export async function removeTree(path: Buffer): Promise<void> {
  if (await isRealFolder(path)) {
    // Node's recursive rm reads names as UTF-8 and can't remove others.
    for (const name of await readdir(path, { encoding: 'buffer' })) {
      await removeTree(join(path, name));
    }
    await rmdir(path);
    return;
  }
  await rm(path, { force: true });
}

export async function isRealFolder(path: Buffer): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}
