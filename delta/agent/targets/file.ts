import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { syncDirectory } from '../../../storage/durable.ts';
import { fileSize, renameDurable, writeDurable } from '../durable.ts';
import type { SlotImage } from '../slot.ts';
import { takeSingleFile } from './single-file.ts';
import type { Target, TargetEnv } from './target.ts';

/**
 * A release's one file, at `path`. It is made as `<path>.rivulet-new` and renamed; what was there
 * stays as `<path>.rivulet-old`, or `<path>.rivulet-none` says that there was nothing.
 */
export function fileTarget(path: string, env: TargetEnv): Target {
  const next = `${path}.rivulet-new`;
  const old = `${path}.rivulet-old`;
  const none = `${path}.rivulet-none`;
  return {
    prepare: (release) => extract(release, next, env.signal),
    activate: async () => {
      const held = await digestFile(path);
      if (held === undefined) await writeDurable(none, '');
      else if (held !== (await digestFile(next))) await saveOld(path, old, none);
      await renameDurable(next, path);
    },
    leave: async () => {
      await rm(next, { force: true });
      if ((await fileSize(old)) !== undefined) {
        await renameDurable(old, path);
      } else if ((await fileSize(none)) !== undefined) {
        await rm(path, { force: true });
        await syncDirectory(dirname(path));
        await rm(none);
      }
    },
    prune: () => rm(next, { force: true }),
  };
}

/** Keeps what is there under another name too, by a hard link, so that `path` is never missing. */
async function saveOld(path: string, old: string, none: string): Promise<void> {
  const temp = `${old}.tmp`;
  await rm(temp, { force: true });
  await link(path, temp);
  await renameDurable(temp, old);
  await rm(none, { force: true });
}

async function extract(release: SlotImage, next: string, signal: AbortSignal): Promise<void> {
  await rm(next, { force: true });
  try {
    await takeSingleFile(release, signal, async (entry) => {
      const file = await open(next, 'wx', 0o600);
      try {
        for await (const bytes of entry.content) await file.writeFile(bytes);
        if (process.getuid?.() === 0) await file.chown(entry.uid, entry.gid);
        await file.chmod(entry.permissions);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await syncDirectory(dirname(next));
}

async function digestFile(path: string): Promise<string | undefined> {
  if ((await fileSize(path)) === undefined) return undefined;
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
