import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import type { Clock } from '../../../storage/clock.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { collectGarbage } from '../../../storage/gc/collect.ts';
import { openContent } from '../../../storage/ostree/object-reader.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';
import { collect } from '../chunk/material.ts';
import { killCommits, MAIN, type KillOptions } from './kill-commits.ts';
import { incoming } from './objects.ts';

const CHILD = join(import.meta.dirname, 'ostree-kill-child.ts');
/** More than there are; the test ends at the first that no child reaches. */
const MAX_STEPS = 40;

let data = '';
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'rivulet-ostree-kill-'));
});
afterEach(() => rm(data, { recursive: true, force: true }));

async function startOver(): Promise<void> {
  await rm(data, { recursive: true });
  data = await mkdtemp(join(tmpdir(), 'rivulet-ostree-kill-'));
}

/** True if the child died while it worked; false once no step is left. */
async function killed(options: KillOptions): Promise<boolean> {
  const child = spawnTypescript(CHILD, [JSON.stringify(options)]);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal !== 'SIGKILL') expect(code).toBe(0);
  return signal === 'SIGKILL';
}

async function reopened(
  work: (blobs: BlobStore, catalog: Catalog) => Promise<void>,
  clock: Clock = Date.now,
): Promise<void> {
  const blobs = new BlobStore(await openFsStore(join(data, 'store')));
  const catalog = await openSqliteCatalog(join(data, 'catalog.sqlite'), clock);
  try {
    await work(blobs, catalog);
  } finally {
    await catalog.close();
  }
}

async function expectClean(blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { faults } = await checkStore({ objects: blobs.objects, catalog, quick: false });
  expect(faults).toEqual([]);
  const at = await catalog.ostree.resolveRef(REPO, MAIN);
  if (at === undefined) return;
  const tree = killCommits().find(([head]) => head.name.checksum === at);
  if (tree === undefined) throw new Error('the ref is at no commit that was pushed');
  for (const { name, content } of tree) {
    const chunks = await catalog.ostree.chunksOf(name);
    expect((await collect(openContent(blobs, chunks))).equals(content)).toBe(true);
  }
}

async function push(blobs: BlobStore, catalog: Catalog, tree: ReturnType<typeof killCommits>[0]) {
  await writeObjects(incoming(tree), { blobs, catalog, repo: REPO, scratch: data });
  await catalog.ostree.moveRef(REPO, MAIN, tree[0].name.checksum, 'any');
}

test('killed at every step of a push: clean, and the push goes on', async () => {
  const [first, second] = killCommits();
  let killAt = 1;
  for (; killAt < MAX_STEPS; killAt += 1) {
    await reopened((blobs, catalog) => push(blobs, catalog, first));
    const died = await killed({ data, killAt, work: 'push' });
    await reopened(async (blobs, catalog) => {
      await expectClean(blobs, catalog);
      await push(blobs, catalog, second);
      await expectClean(blobs, catalog);
    });
    await startOver();
    if (!died) break;
  }
  // The pack, before, within and after; rows, the move and the signature, before and after.
  expect(killAt).toBeGreaterThan(9);
  expect(killAt).toBeLessThan(MAX_STEPS);
});

test('killed at every step of a collection: clean, and the next one ends it', async () => {
  const [, tree] = killCommits();
  const later = () => Date.now() + 600_000;
  let killAt = 1;
  for (; killAt < MAX_STEPS; killAt += 1) {
    await reopened((blobs, catalog) => push(blobs, catalog, tree));
    const died = await killed({ data, killAt, work: 'collect' });
    await reopened(async (blobs, catalog) => {
      await expectClean(blobs, catalog);
      await catalog.ostree.deleteRef(REPO, MAIN);
      const options = { objects: blobs.objects, catalog, clock: later, graceMs: 0, dryRun: false };
      expect(await collectGarbage(options)).toMatchObject({ keptBlobs: 0 });
      await expectClean(blobs, catalog);
    }, later);
    await startOver();
    if (!died) break;
  }
  // The ref, two passes over links, one over objects, two over all else.
  expect(killAt).toBeGreaterThan(11);
  expect(killAt).toBeLessThan(MAX_STEPS);
});
