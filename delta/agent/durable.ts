import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf, syncDirectory } from '../../storage/durable.ts';
import { DeviceError } from './errors.ts';

/**
 * Replaces a file whole: temporary file, fsync, rename, fsync of the folder. One writer per path.
 * `mode` is what others may do with it, before the first byte is there.
 */
export async function writeDurable(
  path: string,
  bytes: string | Uint8Array,
  mode?: number,
): Promise<void> {
  const temp = `${path}.tmp`;
  const handle = await open(temp, 'w', mode);
  try {
    // One that an earlier run left keeps the mode that it had.
    if (mode !== undefined) await handle.chmod(mode);
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurable(temp, path);
}

/** Writes all of `bytes` at byte `at` of an open file. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

export async function renameDurable(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** Removes a file or a tree, if it is there. */
export async function removeDurable(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await syncDirectory(dirname(path));
}

/** A small file's bytes, undefined when it is missing; `state_corrupt` past the bound. */
export async function readSmall(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const size = await fileSize(path);
  if (size === undefined) return undefined;
  if (size > maxBytes) {
    throw new DeviceError('state_corrupt', `${path} holds ${size} bytes; at most ${maxBytes} fit`);
  }
  return readFile(path);
}

/** Bytes of a file; undefined when it is missing. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
