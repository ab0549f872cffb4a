import { join } from 'node:path';

import { BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { collectGarbage } from '../../../storage/gc/collect.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { countedStore, Steps } from '../../faults/counted-writes.ts';
import { killCommits, MAIN, type KillOptions } from './kill-commits.ts';
import { incoming } from './objects.ts';

const WRITES: ReadonlySet<string | symbol> = new Set([
  ...['addObjects', 'moveRef', 'deleteRef', 'putCommitmeta'],
  ...['prune', 'pruneOstreeLinks', 'pruneOstreeObjects'],
]);

/** A part of the catalog whose writes are steps. */
function counted<T extends object>(part: T, steps: Steps): T {
  return new Proxy(part, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const call = (...args: unknown[]) => Reflect.apply(member, target, args) as Promise<unknown>;
      return WRITES.has(name) ? (...args: unknown[]) => steps.around(() => call(...args)) : call;
    },
  });
}

/**
 * Pushes the second commit and signs it, or deletes the ref and collects; at a given step between two
 * writes the process dies.
 */
async function main({ data, killAt, work }: KillOptions): Promise<void> {
  const steps = new Steps(killAt);
  const clock = () => Date.now() + (work === 'collect' ? 2000 : 0);
  const objects = countedStore(await openFsStore(join(data, 'store')), steps);
  const inner = await openSqliteCatalog(join(data, 'catalog.sqlite'), clock);
  const catalog = Object.create(inner, {
    ostree: { value: counted(inner.ostree, steps) },
    gc: { value: counted(inner.gc, steps) },
  }) as Catalog;
  const blobs = new BlobStore(objects);
  if (work === 'push') {
    const [, tree] = killCommits();
    const { checksum } = tree[0].name;
    await writeObjects(incoming(tree), { blobs, catalog, repo: REPO, scratch: data });
    await catalog.ostree.moveRef(REPO, MAIN, checksum, 'any');
    await catalog.ostree.putCommitmeta(REPO, checksum, Buffer.from('signed'), 'any');
  } else {
    await catalog.ostree.deleteRef(REPO, MAIN);
    await collectGarbage({ objects, catalog, clock, graceMs: 1000, dryRun: false });
  }
  await inner.close();
}

await main(JSON.parse(process.argv[2] ?? '') as KillOptions);
