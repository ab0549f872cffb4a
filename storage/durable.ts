import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { StorageError, type StorageErrorCode } from './errors.ts';

/** What an errno means to callers; any other errno is `unavailable`. */
const ERRNO_CODES: Readonly<Record<string, StorageErrorCode>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  ENOSPC: 'no_space',
  EDQUOT: 'no_space',
  EFBIG: 'too_large',
  ABORT_ERR: 'aborted',
};

/** The errno of a failed system call (`ENOENT`), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * A failed system call as a `StorageError`: ENOENT is `missing`, ENOSPC and EDQUOT are `no_space`,
 * EFBIG is `too_large`, everything else (EACCES, EIO, EROFS, EMFILE) is `unavailable`. A coded error
 * and an error that is not a system call's pass through unchanged.
 */
export function fromErrno(error: unknown, what: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || error instanceof StorageError) return error;
  if (!/^E[A-Z0-9]+$/.test(errno) && errno !== 'ABORT_ERR') return error;
  const code = ERRNO_CODES[errno] ?? 'unavailable';
  const advice = code === 'no_space' ? ': free space or raise the quota' : '';
  return new StorageError(code, `${what}: ${errno}${advice}`, { cause: error, detail: { errno } });
}

/** Throws `aborted` if the signal has fired. */
export function checkAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw abortedError(signal, what);
}

export function abortedError(signal: AbortSignal, what: string): StorageError {
  return new StorageError('aborted', `${what}: aborted`, { cause: signal.reason });
}

/** Makes the entries of a directory (creations, renames, removals) survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Makes a directory and its parents; each new one's entry is durable. Throws as {@link fromErrno}. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fromErrno(error, `cannot make the folder ${path}`);
  });
  if (first === undefined) return;
  const stop = dirname(first);
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    await syncDirectory(parent);
    if (parent === stop || parent === dirname(parent)) return;
  }
}

/**
 * Replaces a file in one step: temporary file beside it, fsync, rename, fsync of the directory.
 * After a crash the path holds either the old bytes or the new ones. Throws raw errno errors.
 */
export async function writeFileDurably(path: string, bytes: Uint8Array): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}
