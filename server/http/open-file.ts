import { close, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';

import { StorageError } from '../../storage/errors.ts';

const openFd = promisify<string, string, number>(open);
const closeFd = promisify(close);

/**
 * A file open for positional reads; a deletion meanwhile does not disturb it. Bare descriptors, not
 * `FileHandle`: the hot read path pays for every object it makes. Close it.
 */
export class OpenFile {
  /** Bytes. */
  readonly size: number;
  readonly #fd: number;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  /** Undefined when there is no such file; `unavailable` when it can't be read. */
  static async open(path: string): Promise<OpenFile | undefined> {
    let fd: number;
    try {
      fd = await openFd(path, 'r');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
      throw new StorageError('unavailable', `cannot open ${path}: ${String(cause)}`, { cause });
    }
    try {
      return new OpenFile(fd, await sizeOf(fd));
    } catch (error) {
      await closeFd(fd);
      throw error;
    }
  }

  /** Reads up to `length` bytes into `target` at `at`; `corrupt` when the file has none there. */
  async read(target: Buffer, at: number, length: number, position: number): Promise<number> {
    const count = await new Promise<number>((resolve, reject) => {
      read(this.#fd, target, at, length, position, (error, bytesRead) => {
        if (error === null) resolve(bytesRead);
        else reject(new StorageError('unavailable', `cannot read: ${error.message}`));
      });
    });
    if (count === 0) throw new StorageError('corrupt', `the file has no byte at ${position}`);
    return count;
  }

  async close(): Promise<void> {
    await closeFd(this.#fd);
  }
}

function sizeOf(fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fstat(fd, (error, stats) => {
      if (error === null) resolve(stats.size);
      else reject(new StorageError('unavailable', `cannot stat: ${error.message}`));
    });
  });
}
