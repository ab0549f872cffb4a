import { once } from 'node:events';
import { mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { FolderStore } from '../../../storage/sparse/folder-store.ts';
import { sparsePaths } from '../../../storage/sparse/sparse-paths.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import { collect } from '../../suites/object-store.ts';
import { describeSparseStore } from '../../suites/sparse-store.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';

describeSparseStore('folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rivulet-sparse-'));
  return {
    store: new FolderStore(root),
    damage: (digest, block) => flip(sparsePaths(root, digest).data, block * BLOCK_BYTES + 17),
    // What never reached the disk is at the end of a file that was cut.
    async lose(digest, block) {
      const { data } = sparsePaths(root, digest);
      const { size } = await stat(data);
      if (size > block * BLOCK_BYTES) await truncate(data, block * BLOCK_BYTES);
    },
    async spoilMap(digest, how) {
      const { map } = sparsePaths(root, digest);
      if (how === 'cut') await truncate(map, 50);
      else if (how === 'flipped') await flip(map, 30);
      else await writeFile(map, Buffer.alloc(40, 7));
    },
    count: async () => (await readdir(root)).length,
    close: () => rm(root, { recursive: true, force: true }),
  };
});

it('has after kill -9 what it had, all of it right', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rivulet-sparse-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const size = 64 * BLOCK_BYTES;
  const name = digestOf(Buffer.from('killed'));
  const child = spawnTypescript(join(import.meta.dirname, 'sparse-kill-child.ts'), [
    root,
    name,
    String(size),
  ]);
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await exited;
  const file = await new FolderStore(root).open(name, size);
  onTestFinished(() => file.close());
  expect(file.presentBytes).toBeGreaterThanOrEqual(BLOCK_BYTES);
  for (let block = 0; block < size / BLOCK_BYTES; block += 1) {
    const range = { start: block * BLOCK_BYTES, endExclusive: (block + 1) * BLOCK_BYTES };
    if (!file.has(range)) continue;
    expect((await collect(file.read(range))).equals(Buffer.alloc(BLOCK_BYTES, block + 1))).toBe(
      true,
    );
  }
});

it('gives a data file its full length at once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rivulet-sparse-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const digest = digestOf(Buffer.from('long'));
  const file = await new FolderStore(root).open(digest, 5 * BLOCK_BYTES + 1);
  expect((await stat(sparsePaths(root, digest).data)).size).toBe(5 * BLOCK_BYTES + 1);
  await file.close();
});

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await file.write(byte, 0, 1, at);
  await file.close();
}
