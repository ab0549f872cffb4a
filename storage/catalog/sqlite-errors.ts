import { SqliteError } from 'better-sqlite3';

import { StorageError } from '../errors.ts';

/**
 * What a SQLite fault means to callers (sqlite.org/rescode.html): a full disk is `no_space`, a broken
 * rule of the schema `conflict`, all else (busy, I/O, corrupt, read-only) `unavailable`. Errors that
 * are not SQLite's pass through.
 */
export function mapSqliteError(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteError)) return error;
  const options = { cause: error, detail: { path, sqlite: error.code } };
  const said = `${error.code}: ${error.message}`;
  if (error.code === 'SQLITE_FULL') {
    return new StorageError(
      'no_space',
      `no space left for the catalog ${path} (${said}): free some and try again`,
      options,
    );
  }
  if (error.code.startsWith('SQLITE_CONSTRAINT')) {
    return new StorageError('conflict', `the catalog ${path} refused a row (${said})`, options);
  }
  return new StorageError('unavailable', `the catalog ${path} failed (${said})`, options);
}
