import { randomUUID } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { DigestHasher, type Digest } from '../storage/digest.ts';
import { syncDirectory } from '../storage/durable.ts';
import { FileAccess } from '../storage/random-access.ts';

const COPY_BYTES = 1024 * 1024;

/** Writes `head` and what the file `rest` holds as one durable file; returns its digest. */
export async function joinFile(head: Buffer, rest: string, output: string): Promise<Digest> {
  const temporary = `${output}.${randomUUID()}.tmp`;
  const hasher = new DigestHasher();
  try {
    const target = await open(temporary, 'wx');
    try {
      await append(target, hasher, head);
      await copyAll(target, hasher, rest);
      await target.sync();
    } finally {
      await target.close();
    }
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(output));
  return hasher.digest();
}

async function copyAll(target: FileHandle, hasher: DigestHasher, path: string): Promise<void> {
  const rest = await FileAccess.open(path);
  try {
    for (let at = 0; at < rest.size; at += COPY_BYTES) {
      await append(target, hasher, await rest.read(at, Math.min(COPY_BYTES, rest.size - at)));
    }
  } finally {
    await rest.close();
  }
}

async function append(target: FileHandle, hasher: DigestHasher, bytes: Buffer): Promise<void> {
  hasher.update(bytes);
  await target.writeFile(bytes);
}
