import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

import { checkAborted, errnoOf, fromErrno } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { BLOBS_PREFIX, isObjectKey, QUARANTINE_PREFIX, UPLOADS_PREFIX } from '../keys.ts';
import type { IoOptions, ObjectEntry } from '../object-store.ts';

/**
 * Every object under the root whose key starts with `prefix`. Folders are read piece by piece, and
 * only those that can hold such a key; what is not named like an object is not ours and is left out.
 */
export async function* walkObjects(
  root: string,
  prefix: string,
  options: IoOptions,
): AsyncGenerator<ObjectEntry, void, undefined> {
  for (const top of [BLOBS_PREFIX, UPLOADS_PREFIX, QUARANTINE_PREFIX]) {
    if (canHold(top, prefix)) yield* walkFolder(root, top, prefix, options);
  }
}

async function* walkFolder(
  root: string,
  folder: string,
  prefix: string,
  options: IoOptions,
): AsyncGenerator<ObjectEntry, void, undefined> {
  try {
    for await (const entry of await opendir(join(root, folder))) {
      checkAborted(options.signal, `list ${prefix}`);
      const name = `${folder}${entry.name}`;
      if (entry.isDirectory()) {
        if (canHold(`${name}/`, prefix)) yield* walkFolder(root, `${name}/`, prefix, options);
        continue;
      }
      if (!entry.isFile() || !name.startsWith(prefix) || !isObjectKey(name)) continue;
      const facts = await lstatIfThere(join(root, name));
      if (facts !== undefined)
        yield { key: name, size: facts.size, modifiedMs: Math.floor(facts.mtimeMs) };
    }
  } catch (error) {
    // A folder that went away while we walked holds nothing.
    if (errnoOf(error) === 'ENOENT' && !(error instanceof StorageError)) return;
    throw fromErrno(error, `list ${folder}`);
  }
}

function canHold(folder: string, prefix: string): boolean {
  return folder.startsWith(prefix) || prefix.startsWith(folder);
}

async function lstatIfThere(
  path: string,
): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
