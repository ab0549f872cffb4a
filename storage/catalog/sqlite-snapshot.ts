import { chmod, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import BetterSqlite3 from 'better-sqlite3';

import { errnoOf, fromErrno, syncDirectory } from '../durable.ts';
import { StorageError } from '../errors.ts';

/**
 * Writes what the catalog holds at one moment into a file of its own, durable on return, beside any
 * number of writers. Upload sessions are left out: their parts come and go too fast to be copied, and
 * clients begin anew. Throws `missing` without a catalog, `unavailable` or `no_space` when it fails.
 */
export async function snapshotSqlite(from: string, to: string): Promise<void> {
  try {
    await removeSqlite(to);
    write(from, to);
    // It holds digests of tokens and the keys that sign them.
    await chmod(to, 0o600);
    const file = await open(to, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await removeSqlite(to);
    throw error instanceof StorageError ? error : fromErrno(error, `copy ${from} to ${to}`);
  }
}

function write(from: string, to: string): void {
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new BetterSqlite3(from, { readonly: true, fileMustExist: true });
    database.pragma('busy_timeout = 10000');
    database.prepare('vacuum into ?').run(to);
    database.close();
    database = new BetterSqlite3(to);
    database.pragma('synchronous = FULL');
    database.exec('delete from upload_parts; delete from uploads; delete from condemned');
  } catch (cause) {
    const code = errnoOf(cause);
    const what = `cannot copy the catalog ${from} to ${to}: ${String(cause)}`;
    if (code === 'SQLITE_CANTOPEN') throw new StorageError('missing', what, { cause });
    throw new StorageError(code === 'SQLITE_FULL' ? 'no_space' : 'unavailable', what, { cause });
  } finally {
    database?.close();
  }
}

/** Puts a snapshot where a catalog is to be; after a crash there is the old one, the new one or none. */
export async function installSnapshot(snapshot: string, path: string): Promise<void> {
  try {
    // The log of an older catalog must not be applied to this one.
    for (const end of ['-wal', '-shm']) await rm(`${path}${end}`, { force: true });
    await rename(snapshot, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw fromErrno(error, `cannot put the catalog ${path} in its place`);
  }
}

async function removeSqlite(path: string): Promise<void> {
  for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${path}${end}`, { force: true });
}
