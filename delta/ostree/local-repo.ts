import { join } from 'node:path';

import { fromErrno } from '../../storage/durable.ts';
import { isStorageError, StorageError } from '../../storage/errors.ts';
import { parseConfig, type RepoConfig } from './config.ts';
import { openBareFile, openBareUserOnlyFile } from './local/bare-file.ts';
import { openBareUserFile } from './local/bare-user-file.ts';
import type { FileObject } from './local/file-object.ts';
import { localObjectPath, type ObjectFile } from './local/object-file.ts';
import { readBounded, readParts } from './local/read-parts.ts';
import { resolveRef } from './local/refs.ts';
import { checksumOf, verifyChecksum, type Checksum } from './objects/checksum.ts';
import { metadataChildren } from './objects/children.ts';
import { readFilez } from './objects/filez-read.ts';
import { OBJECT_LIMITS } from './objects/limits.ts';
import { objectFileName, type MetadataKind, type ObjectName } from './objects/object-name.ts';

export interface LocalOptions {
  readonly signal?: AbortSignal | undefined;
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * A repository in a folder of this machine, of mode archive, bare, bare-user or bare-user-only; read
 * only. A parent repository (`core.parent`) is not looked into. Every method throws `missing` for
 * what is not there, `bad_format`, `digest_mismatch` or `size_mismatch` for what is not as its name
 * says, `unavailable` when the file system does not answer, `aborted`.
 */
export class LocalRepo {
  readonly path: string;
  readonly config: RepoConfig;

  private constructor(path: string, config: RepoConfig) {
    this.path = path;
    this.config = config;
  }

  /** Throws `missing` or `bad_format` when the folder is no repository of a known mode. */
  static async open(path: string, { signal }: LocalOptions = {}): Promise<LocalRepo> {
    const config = await readBounded(join(path, 'config'), MAX_CONFIG_BYTES, signal);
    return new LocalRepo(path, parseConfig(config.toString('utf8')));
  }

  /** The commit of `ref`, `remote:ref` or a checksum, which stands for itself. */
  resolveRef(name: string, { signal }: LocalOptions = {}): Promise<Checksum> {
    return resolveRef(this.path, name, signal);
  }

  /** The exact bytes of a commit, dirtree or dirmeta, checked against its name. */
  async readMetadata(
    kind: MetadataKind,
    checksum: Checksum,
    { signal }: LocalOptions = {},
  ): Promise<Buffer> {
    const name = { kind, checksum };
    const path = this.#pathOf(name);
    const bytes = await this.#found(name, readBounded(path, OBJECT_LIMITS.metadataBytes, signal));
    verifyChecksum(checksumOf(bytes), checksum, path);
    return bytes;
  }

  /** A content object: header now, content as it is asked for, checked against its name at the end. */
  openFile(checksum: Checksum, { signal }: LocalOptions = {}): Promise<FileObject> {
    const name = { kind: 'file', checksum } as const;
    return this.#found(name, this.#open({ path: this.#pathOf(name), checksum, signal }));
  }

  /** The commit's detached metadata (its signatures); undefined when it has none. */
  async readCommitmeta(
    commit: Checksum,
    { signal }: LocalOptions = {},
  ): Promise<Buffer | undefined> {
    const path = `${this.#pathOf({ kind: 'commit', checksum: commit })}meta`;
    try {
      return await readBounded(path, OBJECT_LIMITS.metadataBytes, signal);
    } catch (error) {
      if (isStorageError(error, 'missing')) return undefined;
      throw error;
    }
  }

  /**
   * Everything that a commit needs, itself first, each object once, a dirtree before what it names. Its
   * parents are not followed. Metadata is read and checked on the way, content objects are only named.
   */
  async *walkCommit(
    commit: Checksum,
    { signal }: LocalOptions = {},
  ): AsyncGenerator<ObjectName, void> {
    const seen = new Set<string>();
    const left: ObjectName[] = [{ kind: 'commit', checksum: commit }];
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const key = objectFileName(name);
      if (seen.has(key)) continue;
      seen.add(key);
      yield name;
      if (name.kind === 'file') continue;
      const bytes = await this.readMetadata(name.kind, name.checksum, { signal });
      for (const child of metadataChildren(name.kind, bytes).toReversed()) left.push(child);
    }
  }

  #open(file: ObjectFile): Promise<FileObject> {
    switch (this.config.mode) {
      case 'archive':
        return readFilez(readParts(file.path, file.signal), file);
      case 'bare':
        return openBareFile(file, !this.config.disableXattrs);
      case 'bare-user':
        return openBareUserFile(file);
      case 'bare-user-only':
        return openBareUserOnlyFile(file);
    }
  }

  #pathOf(name: ObjectName): string {
    return join(this.path, localObjectPath(this.config.mode, name));
  }

  /** Names the object in the error when it is not there. */
  async #found<T>(name: ObjectName, reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      const cause = fromErrno(error, `can't read ${objectFileName(name)}`);
      if (!isStorageError(cause, 'missing')) throw cause;
      throw new StorageError('missing', `there is no ${objectFileName(name)} in ${this.path}`, {
        cause,
      });
    }
  }
}
