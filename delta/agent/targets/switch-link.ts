import { readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf, syncDirectory } from '../../../storage/durable.ts';
import { DeviceError } from '../errors.ts';

/** Points a symlink to `to` by one rename, durable. Idempotent. Refuses to replace anything else. */
export async function switchLink(path: string, to: string): Promise<void> {
  await linkTarget(path);
  const temp = `${path}.rivulet-new`;
  await rm(temp, { force: true });
  await symlink(to, temp);
  await rename(temp, path);
  await syncDirectory(dirname(path));
}

/** Removes a symlink of ours, if it is there. */
export async function removeLink(path: string): Promise<void> {
  if ((await linkTarget(path)) === undefined) return;
  await rm(path);
  await syncDirectory(dirname(path));
}

/** Where it points; undefined when there is nothing. Throws `io` for what is no symlink. */
export async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (errnoOf(error) !== 'EINVAL') throw error;
    throw new DeviceError(
      'io',
      `${path} is no symlink, which the agent could switch; move it away and run the update again`,
    );
  }
}
