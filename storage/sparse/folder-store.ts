import { constants, read } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';

import type { Digest } from '../digest.ts';
import { fromErrno, makeDirectory, syncDirectory, writeFileDurably } from '../durable.ts';
import type { BlockMap } from './block-map.ts';
import { checkSize, SparseBlob } from './sparse-blob.ts';
import { readMap, sparsePaths, type SparsePaths } from './sparse-paths.ts';
import { BLOCK_BYTES, type BlockName, type BlockPlace, type SparseStore } from './sparse-store.ts';

/**
 * Blobs in a folder, two files each: `<algorithm>-<hex>.data`, sparse, its full length from the start, and
 * `.map` ({@link BlockMap}), replaced after the data is durable.
 */
export class FolderStore implements SparseStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the files, and the folder, if need be. */
  async open(digest: Digest, size: number): Promise<SparseBlob> {
    checkSize(digest, size);
    const paths = sparsePaths(this.#folder, digest);
    try {
      await makeDirectory(this.#folder);
      const map = await readMap(paths, size, BLOCK_BYTES);
      const file = await open(paths.data, constants.O_RDWR | constants.O_CREAT);
      try {
        await file.truncate(size);
        if (map === undefined) await syncDirectory(this.#folder);
      } catch (error) {
        await file.close();
        throw error;
      }
      return new SparseBlob(new FilePlace(paths, file), digest, size, map);
    } catch (error) {
      throw fromErrno(error, `cannot open ${paths.data}`);
    }
  }

  async readMap(digest: Digest, size: number): Promise<BlockMap | undefined> {
    return readMap(sparsePaths(this.#folder, digest), size, BLOCK_BYTES);
  }
}

class FilePlace implements BlockPlace {
  readonly #paths: SparsePaths;
  readonly #file: FileHandle;

  constructor(paths: SparsePaths, file: FileHandle) {
    this.#paths = paths;
    this.#file = file;
  }

  write({ block }: BlockName, bytes: Uint8Array): Promise<void> {
    return this.#mapped('write', async () => {
      for (let done = 0; done < bytes.length;) {
        const left = bytes.length - done;
        const at = block * BLOCK_BYTES + done;
        done += (await this.#file.write(bytes, done, left, at)).bytesWritten;
      }
    });
  }

  read(
    { block }: BlockName,
    start: number,
    target: Buffer,
    at: number,
    length: number,
  ): Promise<number> {
    const position = block * BLOCK_BYTES + start;
    const count = new Promise<number>((resolve, reject) => {
      read(this.#file.fd, target, at, length, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
    return this.#mapped('read', () => count);
  }

  saveMap(map: Buffer): Promise<void> {
    return this.#mapped('write', async () => {
      await this.#file.datasync();
      await writeFileDurably(this.#paths.map, map);
    });
  }

  close(): Promise<void> {
    return this.#mapped('close', () => this.#file.close());
  }

  remove(): Promise<void> {
    return this.#mapped('remove', async () => {
      await this.#file.close();
      await rm(this.#paths.map, { force: true });
      await rm(this.#paths.data, { force: true });
    });
  }

  async #mapped<T>(verb: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromErrno(error, `cannot ${verb} ${this.#paths.data}`);
    }
  }
}
