import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { digestHex } from '../../../storage/digest.ts';
import { errnoOf, makeDirectory, syncDirectory } from '../../../storage/durable.ts';
import { fileSize, renameDurable } from '../durable.ts';
import { layoutBlob } from '../paths.ts';
import type { SlotImage } from '../slot.ts';
import { checkSpace } from '../space.ts';
import { linkTarget, removeLink, switchLink } from './switch-link.ts';
import { syncFileSystem } from './sync-file-system.ts';
import type { Target, TargetEnv } from './target.ts';
import { unpackLayers } from './unpack.ts';

/**
 * A release unpacked to a root folder: `<path>.rivulet/<hex>` holds each, `path` is a symlink to the
 * one that runs. A folder gets its name when all of it is on the disk; one whose removal has begun
 * loses it first.
 */
export function rootfsTarget(path: string, env: TargetEnv): Target {
  const versions = `${path}.rivulet`;
  const nameOf = (release: SlotImage): string => digestHex(release.image.manifest.digest);
  return {
    prepare: async (release) => {
      // Refuses a folder that is not the agent's before it makes another.
      await linkTarget(path);
      const root = join(versions, nameOf(release));
      if (await exists(root)) return;
      await makeDirectory(versions);
      await checkSpace(
        versions,
        await tarBytes(release),
        env.minFreeBytes,
        `the root folder ${root}`,
      );
      const temp = `${root}.tmp`;
      await rm(temp, { recursive: true, force: true });
      await unpackLayers(release, temp, env.signal);
      await syncFileSystem(temp);
      await renameDurable(temp, root);
    },
    activate: (release) => switchLink(path, join(basename(versions), nameOf(release))),
    leave: () => removeLink(path),
    prune: async (keep) => {
      const names = new Set([...keep].map(digestHex));
      const running = await linkTarget(path);
      if (running !== undefined) names.add(basename(running));
      for (const name of await namesIn(versions)) {
        if (!names.has(name)) await removeTree(join(versions, name));
      }
    },
  };
}

/** What the layers hold is about what their files will take. */
async function tarBytes(release: SlotImage): Promise<number> {
  let total = 0;
  for (const diffId of release.image.diffIds) {
    total += (await fileSize(layoutBlob(release.path, diffId))) ?? 0;
  }
  return total;
}

async function removeTree(path: string): Promise<void> {
  const temp = path.endsWith('.tmp') ? path : `${path}.tmp`;
  if (temp !== path) {
    await rm(temp, { recursive: true, force: true });
    await rename(path, temp);
    await syncDirectory(dirname(path));
  }
  await rm(temp, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
