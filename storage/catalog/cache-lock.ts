import BetterSqlite3, { SqliteError } from 'better-sqlite3';

import { StorageError } from '../errors.ts';

/** Held by the one process that works in a folder. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes a folder's lock: an exclusive transaction on a small database at `path`, so that the system
 * frees it with the process, however that ends. Throws `conflict` when another process holds it.
 */
export function lockFolder(path: string): FolderLock {
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new BetterSqlite3(path, { timeout: 0 });
    database.exec('begin exclusive');
    const held = database;
    return { release: () => held.close() };
  } catch (cause) {
    database?.close();
    if (cause instanceof SqliteError && cause.code.startsWith('SQLITE_BUSY')) {
      throw new StorageError('conflict', `${path} is locked: another process uses this folder`, {
        cause,
      });
    }
    throw new StorageError('unavailable', `cannot lock ${path}: ${String(cause)}`, { cause });
  }
}
