import type { Dirent } from 'node:fs';
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf } from '../../storage/durable.ts';

import { DeviceError } from './errors.ts';

/** For manifests, state and reports beside the layers. */
const MARGIN_BYTES = 1024 * 1024;

/** Bytes that an ordinary user may still write on the folder's disk. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Throws `no_space` unless `bytes` fit on the folder's disk. */
export async function checkSpace(path: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(path);
  if (free < bytes + MARGIN_BYTES) {
    throw new DeviceError(
      'no_space',
      `${what} needs ${bytes} bytes, ${path} has ${free} free; free some space and run the update again`,
      { detail: { bytes, free } },
    );
  }
}

/** Bytes that the files of a folder take on the disk, those shared by hard links left out. */
export async function ownBytes(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await list(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) total += await ownBytes(path);
    else {
      const { blocks, nlink } = await lstat(path);
      if (nlink === 1) total += blocks * 512;
    }
  }
  return total;
}

async function list(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
