import type { Dirent } from 'node:fs';
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf } from '../../storage/durable.ts';

import { DeviceError } from './errors.ts';

/** So many bytes are written between two looks at the disk. */
const LOOK_BYTES = 256 * 1024;
/** Those, and the blocks of folders and small files beside them. */
const SLACK_BYTES = 2 * LOOK_BYTES;

/** Bytes that an ordinary user may still write on the folder's disk. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/**
 * Throws `no_space` unless `bytes` fit on the folder's disk and leave `minFree` of it free. Nothing was
 * written yet: `detail.isForecast` says so, for another plan may need less.
 */
export async function checkSpace(
  path: string,
  bytes: number,
  minFree: number,
  what: string,
): Promise<void> {
  const free = await freeBytes(path);
  const short = bytes + SLACK_BYTES + minFree - free;
  if (short <= 0) return;
  throw new DeviceError(
    'no_space',
    `${what} needs ${bytes} bytes and ${minFree} have to stay free, ${path} has ${free}; free some space there, at least ${short} bytes, and run the update again`,
    { detail: { bytes, minFree, free, short, isForecast: true } },
  );
}

/** Holds writes to a disk's floor while they run: others write to it too. */
export class SpaceGuard {
  readonly #path: string;
  readonly #minFree: number;
  #unseen = Infinity;

  constructor(path: string, minFree: number) {
    this.#path = path;
    this.#minFree = minFree;
  }

  /** Call before `bytes` are written; throws `no_space` when they might go below the floor. */
  async write(bytes: number): Promise<void> {
    this.#unseen += bytes;
    if (this.#unseen < LOOK_BYTES) return;
    const free = await freeBytes(this.#path);
    const ahead = bytes + SLACK_BYTES;
    if (free < this.#minFree + ahead) {
      throw new DeviceError(
        'no_space',
        `${this.#path} has ${free} bytes free and ${this.#minFree} have to stay so; free some space there, at least ${this.#minFree + ahead - free} bytes, and run the update again`,
        { detail: { free, minFree: this.#minFree } },
      );
    }
    this.#unseen = 0;
  }

  /** The same for a stream that is about to be written. */
  async *pass<T extends Uint8Array>(source: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const bytes of source) {
      await this.write(bytes.length);
      yield bytes;
    }
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
