import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import { PackWriter } from '../../../storage/chunk/pack.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { StorageError } from '../../../storage/errors.ts';

test('a pack that a store takes no bytes of is not opened: its file may go at once', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'rivulet-pack-'));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  const faults: unknown[] = [];
  const note = (error: unknown): void => {
    faults.push(error);
  };
  process.on('uncaughtException', note);
  onTestFinished(() => {
    process.off('uncaughtException', note);
  });
  const pack = await PackWriter.open(scratch);
  const away = new BlobStore({
    ...createMemoryStore(Date.now),
    put: () => Promise.reject(new StorageError('unavailable', 'the store is away')),
  });
  // As if it had gone before the disk came to open it.
  await rm(join(scratch, (await readdir(scratch))[0] ?? ''));
  await expect(pack.store(away)).rejects.toMatchObject({ code: 'unavailable' });
  await sleep(50);
  expect(faults).toEqual([]);
  await pack.dispose();
});
