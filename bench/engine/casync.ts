import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Coder } from './coder.ts';

/**
 * casync with chunks: the device has the old file, so the delta is a folder with the new file's
 * index and those chunks that the old file does not have.
 */
export function casync(program: string): Omit<Coder, 'name' | 'tool'> {
  return {
    title: 'casync, new chunks',
    async encode({ oldFile, newFile, delta, scratch, run }) {
      const [oldStore, store] = [join(scratch, 'old.castr'), join(delta, 'chunks')];
      const [oldIndex, index] = [join(scratch, 'old.caibx'), join(delta, 'index.caibx')];
      await run(program, ['make', `--store=${oldStore}`, oldIndex, oldFile]);
      await mkdir(delta);
      await run(program, ['make', `--store=${store}`, index, newFile]);
      await removeShared(store, oldStore);
    },
    decode: ({ oldFile, delta, made, run }) =>
      run(program, [
        ...['extract', `--store=${join(delta, 'chunks')}`, `--seed=${oldFile}`],
        ...[join(delta, 'index.caibx'), made],
      ]),
  };
}

async function removeShared(store: string, other: string): Promise<void> {
  const shared = new Set(await readdir(other, { recursive: true }));
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && shared.has(path.slice(store.length + 1))) await rm(path);
  }
}
