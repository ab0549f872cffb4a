import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { collectGarbage } from '../../storage/gc/collect.ts';
import { parseObjectKey } from '../../storage/keys.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import type { ObjectEntry, ObjectStore } from '../../storage/object-store.ts';

const FOLDERS = 256;
/** 10^5 in all; more by RIVULET_GC_MEMORY_BLOBS. */
const PER_FOLDER = Math.ceil(Number(process.env['RIVULET_GC_MEMORY_BLOBS'] ?? 1e5) / FOLDERS);
/** All of them, held as names alone, would take more than twice this. */
const BOUND_BYTES = 8 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectHeap = runInNewContext('gc') as () => void;

/** A listing of blobs that nothing names, made as it is read; what is in use is told before each folder. */
function manyBlobs(onFolder: () => void): ObjectStore {
  const facts = { size: 1, modifiedMs: 0 };
  const store = createMemoryStore();
  return {
    ...{ name: 'many', put: store.put.bind(store), open: store.open.bind(store) },
    ...{ move: store.move.bind(store), delete: store.delete.bind(store) },
    stat: () => Promise.resolve(facts),
    async *list(prefix): AsyncGenerator<ObjectEntry> {
      await Promise.resolve();
      const folder = /^blobs\/sha256\/([0-9a-f]{2})\/$/.exec(prefix)?.[1];
      if (folder === undefined) return;
      onFolder();
      for (let n = 0; n < PER_FOLDER; n += 1) {
        const hex = `${folder}${n.toString(16).padStart(62, '0')}`;
        yield { key: parseObjectKey(`${prefix}${hex}`), ...facts };
      }
    },
  };
}

test('a look at any number of blobs holds a batch of them', async () => {
  const catalog = await openSqliteCatalog(':memory:', () => 0);
  let folders = 0;
  const used: number[] = [];
  const objects = manyBlobs(() => {
    folders += 1;
    if (folders % 32 !== 1) return;
    collectHeap();
    used.push(process.memoryUsage().heapUsed);
  });
  try {
    const clock = () => 1_000_000_000;
    const report = await collectGarbage({ objects, catalog, clock, graceMs: 1, dryRun: true });
    expect(report.removedBlobs).toBe(FOLDERS * PER_FOLDER);
    const [first = 0] = used;
    expect(used).toHaveLength(8);
    expect(Math.max(...used) - first).toBeLessThan(BOUND_BYTES);
  } finally {
    await catalog.close();
  }
}, 300_000);
