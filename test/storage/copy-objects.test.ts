import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { BlobStore, readBlob } from '../../storage/blob-store.ts';
import { copyObjects } from '../../storage/copy-objects.ts';
import { digestOf } from '../../storage/digest.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { blobKey } from '../../storage/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';

const KEPT = Buffer.from('kept');
const COLLECTED = Buffer.from('collected');

async function folder(): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-copy-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return openFsStore(dir);
}

describe.each([
  { target: 'a folder', make: folder },
  { target: 'memory', make: () => Promise.resolve(createMemoryStore()) },
])('a copy into $target', ({ make }) => {
  test('goes on past an object that was collected after it was listed', async () => {
    const [from, to] = [createMemoryStore(), await make()];
    for (const bytes of [KEPT, COLLECTED]) await new BlobStore(from).put(digestOf(bytes), [bytes]);
    const lost = blobKey(digestOf(COLLECTED));
    const list = from.list.bind(from);
    from.list = async function* (prefix, options) {
      for await (const entry of list(prefix, options)) {
        if (entry.key === lost) await from.delete(lost);
        yield entry;
      }
    };
    expect(await copyObjects({ from, to })).toMatchObject({
      ...{ objects: 2, copied: 1, gone: 1, damaged: [] },
    });
    const copied = await readBlob(new BlobStore(to), digestOf(KEPT), { maxBytes: 100 });
    expect(copied.equals(KEPT)).toBe(true);
  });
});
