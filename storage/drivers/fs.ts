import {
  link,
  lstat,
  open,
  rename,
  rm,
  rmdir,
  unlink,
  utimes,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';

import { checkedBytes } from '../byte-source.ts';
import { checkAborted, errnoOf, fromErrno, makeDirectory, syncDirectory } from '../durable.ts';
import { StorageError, isStorageError } from '../errors.ts';
import { parseObjectKey, UPLOADS_PREFIX, type ObjectKey } from '../keys.ts';
import type {
  ByteSource,
  IoOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  OpenOptions,
  PutOptions,
} from '../object-store.ts';
import { DurableFolders } from './fs-folders.ts';
import { openFileRange } from './fs-read.ts';
import { TempNames } from './fs-temp.ts';
import { walkObjects } from './fs-walk.ts';

/** A folder that another process removes between mkdir and link is made again that often. */
const PUBLISH_ATTEMPTS = 8;
/** Errnos of file systems that have no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']);

/**
 * Opens a folder as an object store, making it if need be: an object is the file `<root>/<key>`;
 * `<root>/tmp/` holds files being written. Any number of processes may share the folder. What dead
 * processes left in `tmp/` is removed. Throws `unavailable` or `no_space`.
 */
export async function openFsStore(root: string): Promise<ObjectStore> {
  const absolute = resolve(root);
  const temporary = join(absolute, 'tmp');
  try {
    await makeDirectory(temporary);
    const names = await TempNames.open();
    await names.sweep(temporary);
    return new FsStore(absolute, names);
  } catch (error) {
    throw notMissing(fromErrno(error, `cannot open the store ${absolute}`));
  }
}

class FsStore implements ObjectStore {
  readonly name: string;
  readonly #root: string;
  readonly #names: TempNames;
  readonly #folders: DurableFolders;

  constructor(root: string, names: TempNames) {
    this.name = `fs:${root}`;
    this.#root = root;
    this.#names = names;
    this.#folders = new DurableFolders(root);
  }

  /** The key's file. Keys are parsed again here, so that no string can lead out of the root. */
  filePath(key: ObjectKey): string {
    return join(this.#root, parseObjectKey(key));
  }

  /** A folder that is gone, or its mount, looks like one without objects. */
  async check(): Promise<void> {
    try {
      await lstat(join(this.#root, 'tmp'));
    } catch (error) {
      throw notMissing(this.#failure(error, 'check'));
    }
  }

  async put(
    key: ObjectKey,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<{ readonly size: number; readonly created: boolean }> {
    const { signal } = options;
    const what = `put ${key}`;
    checkAborted(signal, what);
    const path = this.filePath(key);
    const temporary = join(this.#root, 'tmp', this.#names.next());
    try {
      const known = await this.#keep(path);
      if (known !== undefined) return { size: known, created: false };
      const size = await writeTemporary(temporary, source, what, options);
      const created = await this.#publish(temporary, path);
      return { size, created };
    } catch (error) {
      throw notMissing(this.#failure(error, what));
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async open(key: ObjectKey, options: OpenOptions = {}): Promise<Readable> {
    return openFileRange(this.filePath(key), key, options);
  }

  async stat(key: ObjectKey, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    checkAborted(options.signal, `stat ${key}`);
    return statFile(this.filePath(key), `stat ${key}`);
  }

  list(prefix: string, options: IoOptions = {}): AsyncIterable<ObjectEntry> {
    return walkObjects(this.#root, prefix, options);
  }

  async delete(key: ObjectKey, options: IoOptions = {}): Promise<void> {
    checkAborted(options.signal, `delete ${key}`);
    try {
      await this.#remove(this.filePath(key), key);
    } catch (error) {
      throw this.#failure(error, `delete ${key}`);
    }
  }

  async move(from: ObjectKey, to: ObjectKey, options: IoOptions = {}): Promise<void> {
    const what = `move ${from} to ${to}`;
    checkAborted(options.signal, what);
    const [source, target] = [this.filePath(from), this.filePath(to)];
    try {
      // Looked at first: publishing a source that is gone would be told apart from a lost folder too late.
      const present = await statFile(source, what);
      if (present === undefined) {
        if ((await this.#keep(target)) === undefined)
          throw new StorageError('missing', `${what}: neither exists`);
        return;
      }
      if (!(await this.#publish(source, target))) await this.#keep(target);
      await this.#remove(source, from);
    } catch (error) {
      throw this.#failure(error, what);
    }
  }

  /**
   * The size of an object that is there already, or undefined. Whoever stores it again is about to
   * name it, so its age starts anew (a collector waits), and its entry is made durable in case its
   * first writer has not come so far.
   */
  async #keep(path: string): Promise<number | undefined> {
    const facts = await statFile(path, path);
    if (facts === undefined) return undefined;
    try {
      const now = new Date();
      await utimes(path, now, now);
      await this.#folders.make(dirname(path));
      await syncDirectory(dirname(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    return facts.size;
  }

  /** Gives a finished file its name unless the name is taken; true if it got it. */
  async #publish(from: string, to: string): Promise<boolean> {
    const folder = dirname(to);
    for (let attempt = 1; ; attempt += 1) {
      await this.#folders.make(folder);
      try {
        const created = await linkOrRename(from, to);
        await syncDirectory(folder);
        return created;
      } catch (error) {
        this.#folders.forget(folder);
        if (errnoOf(error) !== 'ENOENT' || attempt === PUBLISH_ATTEMPTS) throw error;
      }
    }
  }

  async #remove(path: string, key: ObjectKey): Promise<void> {
    const folder = dirname(path);
    try {
      await unlink(path);
      await syncDirectory(folder);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    if (key.startsWith(UPLOADS_PREFIX)) await this.#removeEmptyFolder(folder);
  }

  /** Sessions come and go: their folders must not pile up. */
  async #removeEmptyFolder(folder: string): Promise<void> {
    try {
      this.#folders.forget(folder);
      await rmdir(folder);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
    }
  }

  #failure(error: unknown, what: string): unknown {
    return fromErrno(error, `${this.name}: ${what}`);
  }
}

/** Where nothing is looked for, ENOENT and ENOTDIR mean a broken store, not a missing object. */
function notMissing(error: unknown): unknown {
  if (!(error instanceof StorageError) || error.code !== 'missing') return error;
  return new StorageError('unavailable', error.message, {
    cause: error.cause,
    detail: error.detail,
  });
}

/** Writes and checks the bytes and makes them durable; returns their number. */
async function writeTemporary(
  path: string,
  source: ByteSource,
  what: string,
  options: PutOptions,
): Promise<number> {
  const file = await open(path, 'wx', 0o644);
  try {
    let size = 0;
    for await (const bytes of checkedBytes(source, { ...options, what })) {
      await writeAll(file, bytes);
      size += bytes.length;
    }
    await file.sync();
    return size;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** A hard link is put-if-absent in one step; without links a rename puts the same bytes over them. */
async function linkOrRename(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EEXIST') return false;
    if (!NO_LINKS.has(errno)) throw error;
  }
  if ((await statFile(to, to)) !== undefined) return false;
  await rename(from, to);
  return true;
}

async function statFile(path: string, what: string): Promise<ObjectStat | undefined> {
  try {
    const facts = await lstat(path);
    if (!facts.isFile()) throw new StorageError('unavailable', `${what}: not a regular file`);
    return { size: facts.size, modifiedMs: Math.floor(facts.mtimeMs) };
  } catch (error) {
    const failure = fromErrno(error, what);
    if (isStorageError(failure, 'missing')) return undefined;
    throw failure;
  }
}
