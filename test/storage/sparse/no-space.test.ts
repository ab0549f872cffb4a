import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { FolderStore } from '../../../storage/sparse/folder-store.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import { collect } from '../../suites/object-store.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

it('says no_space on a full disk and keeps the blocks that it has', async ({ skip }) => {
  const root = await mkdtemp(join(tmpdir(), 'rivulet-sparse-full-'));
  const disk = mountSmallDisk(root, 2);
  if (disk === undefined) {
    await rm(root, { recursive: true });
    skip();
    return;
  }
  try {
    const bytes = randomBytes(4 * BLOCK_BYTES);
    const digest = digestOf(bytes);
    const file = await new FolderStore(root).open(digest, bytes.length);
    await file.write(0, bytes.subarray(0, BLOCK_BYTES));
    await file.sync();
    await expect(file.write(BLOCK_BYTES, bytes.subarray(BLOCK_BYTES))).rejects.toMatchObject({
      code: 'no_space',
    });
    await file.close();
    const again = await new FolderStore(root).open(digest, bytes.length);
    expect(again.has({ start: 0, endExclusive: BLOCK_BYTES })).toBe(true);
    const first = await collect(again.read({ start: 0, endExclusive: BLOCK_BYTES }));
    expect(first.equals(bytes.subarray(0, BLOCK_BYTES))).toBe(true);
    await again.close();
  } finally {
    disk.unmount();
    await rm(root, { recursive: true });
  }
});
