import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { catalogFile, openStore, type OpenedStore } from '../../server/open-store.ts';
import { copyStore } from '../../storage/backup.ts';
import { readBlob } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { installSnapshot, snapshotSqlite } from '../../storage/catalog/sqlite-snapshot.ts';
import type { Digest } from '../../storage/digest.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { collectGarbage } from '../../storage/gc/collect.ts';
import { parseTag } from '../../storage/names.ts';
import { incompressible, pushImage } from '../server/sample-image.ts';
import { REPO } from '../suites/catalog/names.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const later = () => Date.now() + 60_000;

async function twoFolders() {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-backup-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return { data: join(dir, 'data'), out: join(dir, 'out') };
}

async function opened<T>(data: string, work: (store: OpenedStore) => Promise<T>): Promise<T> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function push({ blobs, catalog }: OpenedStore, name: string): Promise<Digest> {
  const target = { blobs, repositories: catalog.repositories, repo: REPO };
  const layers = [{ base: incompressible('base', 2000) }, { app: incompressible(name, 3000) }];
  return (await pushImage(target, AMD64, layers, parseTag(name))).digest;
}

/** As the command does; `onSnapshot` runs before each copy of the catalog is used. */
async function backup(
  from: OpenedStore,
  { data, out }: { readonly data: string; readonly out: string },
  onSnapshot: (snapshot: Catalog) => Promise<void> = () => Promise.resolve(),
) {
  return opened(out, async (to) => {
    await to.close();
    const path = join(out, 'catalog.new');
    const report = await copyStore({
      from: { objects: from.blobs.objects, catalog: from.catalog },
      to: to.blobs.objects,
      snapshot: async () => {
        await snapshotSqlite(catalogFile(data), path);
        const snapshot = await openSqliteCatalog(path, Date.now);
        await onSnapshot(snapshot);
        return snapshot;
      },
    });
    await installSnapshot(path, catalogFile(out));
    return report;
  });
}

async function expectCopy(out: string, wanted: readonly Digest[]): Promise<void> {
  await opened(out, async ({ blobs, catalog }) => {
    const { faults, absent } = await checkStore({ objects: blobs.objects, catalog, quick: false });
    expect({ faults, absent }).toEqual({ faults: [], absent: [] });
    for (const digest of wanted) {
      expect(await catalog.repositories.getManifest(REPO, digest)).toBeDefined();
      for (const child of await catalog.repositories.children(REPO, digest)) {
        await readBlob(blobs, child.digest, { maxBytes: 100_000 });
      }
    }
  });
}

test('taken while pushes, deletions and collections run, it is whole and has what was there before', async () => {
  const folders = await twoFolders();
  await opened(folders.data, async (store) => {
    const { catalog, blobs } = store;
    const kept: Digest[] = [];
    for (let n = 0; n < 6; n += 1) kept.push(await push(store, `kept-${n}`));
    const doomed: Digest[] = [];
    for (let n = 0; n < 6; n += 1) doomed.push(await push(store, `doomed-${n}`));
    let busy = true;
    let pushed = 0;
    const pushes = (async () => {
      while (busy) await push(store, `new-${(pushed += 1)}`);
    })();
    const removals = (async () => {
      while (busy) {
        const digest = doomed.pop();
        if (digest !== undefined) await catalog.repositories.deleteManifest(REPO, digest);
        await collectGarbage({
          ...{ objects: blobs.objects, catalog, clock: Date.now, graceMs: 5000, dryRun: false },
        });
      }
    })();
    try {
      await backup(store, folders);
    } finally {
      busy = false;
      await Promise.all([pushes, removals]);
    }
    expect(pushed).toBeGreaterThan(0);
    await expectCopy(folders.out, kept);
  });
});

test('what a collector takes after the catalog was copied costs another copy of it, no hole', async () => {
  const folders = await twoFolders();
  await opened(folders.data, async (store) => {
    const { catalog, blobs } = store;
    const kept = await push(store, 'kept');
    let late: Digest | undefined;
    let snapshots = 0;
    const pause = async () => {
      snapshots += 1;
      if (late === undefined || snapshots > 1) return;
      await catalog.repositories.deleteManifest(REPO, late);
      const options = { objects: blobs.objects, catalog, clock: later, graceMs: 0, dryRun: false };
      await collectGarbage(options);
    };
    // Pushed when the first pass over the objects is done: only the copied catalog names it.
    const expected = catalog.audit.expected.bind(catalog.audit);
    let asked = 0;
    catalog.audit.expected = async (...args) => {
      const page = await expected(...args);
      if ((asked += 1) === 5) late = await push(store, 'late');
      return page;
    };
    const report = await backup(store, folders, pause);
    expect(report).toMatchObject({ snapshots: 2, faults: [] });
    await expectCopy(folders.out, [kept]);
  });
});

test('a second one copies what is new, and a damaged store is told from one that moves', async () => {
  const folders = await twoFolders();
  await opened(folders.data, async (store) => {
    const first = await push(store, 'first');
    await backup(store, folders);
    const second = await push(store, 'second');
    // A layer, a config and a manifest; the base is there.
    expect(await backup(store, folders)).toMatchObject({ copied: 3, snapshots: 1, faults: [] });
    await expectCopy(folders.out, [first, second]);

    const third = await push(store, 'third');
    await store.blobs.delete(third);
    expect(await backup(store, folders)).toMatchObject({
      copied: 2,
      faults: [{ digest: third }],
    });
  });
});
