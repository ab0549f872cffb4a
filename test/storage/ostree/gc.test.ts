import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { isStorageError } from '../../../storage/errors.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { collectGarbage, type GcReport } from '../../../storage/gc/collect.ts';
import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { missingObjects } from '../../../storage/ostree/missing-objects.ts';
import { openContent } from '../../../storage/ostree/object-reader.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { OTHER, REPO, TestClock } from '../../suites/catalog/names.ts';
import { collect, noise } from '../chunk/material.ts';
import { commit, dirmeta, dirtree, file, incoming, type MadeObject } from './objects.ts';

const HOUR = 3_600_000;
const REPOS = [REPO, OTHER] as const;
const REFS = ['a', 'b'].map(parseOstreeRef);

/** A commit whose folders and files are some of a few, so that trees share them. */
type Tree = readonly [MadeObject, ...MadeObject[]];

function treeOf(seed: number, picks: readonly number[]): Tree {
  const meta = dirmeta('meta');
  const folders = picks.map((pick) => {
    const files = [pick % 5, pick % 7, pick].map((n) => file(noise(200 + n * 3000, `file ${n}`)));
    return { folder: dirtree(files), files };
  });
  const inner = dirtree([...folders.map(({ folder }) => folder), meta]);
  const root = dirtree([inner, meta, ...folders.slice(0, 1).flatMap(({ files }) => files)]);
  const head = commit(`commit ${seed}`, root, meta);
  const rest = folders.flatMap(({ folder, files }) => [folder, ...files]);
  return [head, root, inner, meta, ...rest];
}

/** A store on a clock that the test moves, and what was promised to its clients. */
class World {
  readonly clock = new TestClock();
  readonly blobs = new BlobStore(createMemoryStore(this.clock.read));
  readonly refs = new Map<string, Tree>();
  readonly catalog: Catalog;
  readonly scratch: string;

  constructor(catalog: (clock: () => number) => Catalog, scratch: string) {
    this.catalog = catalog(this.clock.read);
    this.scratch = scratch;
  }

  async gc(keptCommits = 10): Promise<GcReport> {
    const { blobs, catalog, clock } = this;
    const options = { objects: blobs.objects, catalog, clock: clock.read, graceMs: HOUR };
    return collectGarbage({ ...options, dryRun: false, keptCommits });
  }

  /** As a client pushes: what is missing, in that order; then the ref. */
  async push(repo: number, ref: number, tree: Tree, order: readonly number[]): Promise<void> {
    const { blobs, catalog, scratch } = this;
    const name = REPOS[repo % 2] ?? REPO;
    const target = REFS[ref % 2];
    if (target === undefined) return;
    const byName = new Map(tree.map((object) => [formatObjectName(object.name), object]));
    const names = [...byName.values()].map((object) => object.name);
    const missing = await missingObjects({ blobs, catalog }, name, names);
    const sent = missing
      .flatMap((object) => byName.get(formatObjectName(object)) ?? [])
      .map((object, n) => ({ object, at: order[n % order.length] ?? n }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ object }) => object);
    await writeObjects(incoming(sent), { blobs, catalog, repo: name, scratch });
    await catalog.ostree.moveRef(name, target, tree[0].name.checksum, 'any');
    this.refs.set(`${name} ${target}`, tree);
  }

  /** As {@link push}, tried again when it is told to. */
  async pushAgain(...args: Parameters<World['push']>): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        await this.push(...args);
        return;
      } catch (error) {
        const told = (['conflict', 'missing', 'unavailable'] as const).some((code) =>
          isStorageError(error, code),
        );
        if (!told || tries > 5) throw error;
      }
    }
  }

  async expectWhole(): Promise<void> {
    const { blobs, catalog } = this;
    for (const [key, tree] of this.refs) {
      const repo = REPOS.find((name) => key.startsWith(`${name} `)) ?? REPO;
      expect(await catalog.ostree.closureGaps(repo, tree[0].name.checksum, 5)).toEqual([]);
      for (const object of tree) {
        expect(await catalog.ostree.object(repo, object.name)).toMatchObject({
          size: object.content.length,
        });
        const chunks = await catalog.ostree.chunksOf(object.name);
        expect((await collect(openContent(blobs, chunks))).equals(object.content)).toBe(true);
      }
    }
    const report = await checkStore({ objects: blobs.objects, catalog, quick: false });
    expect(report.faults).toEqual([]);
  }
}

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'rivulet-ostree-gc-'));
  const holder: { read: () => number } = { read: () => 0 };
  const catalog = await openSqliteCatalog(':memory:', () => holder.read());
  const world = new World((read) => {
    holder.read = read;
    return catalog;
  }, scratch);
  try {
    await work(world);
  } finally {
    await catalog.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

const pick = fc.nat({ max: 9 });
const push = fc.record({
  do: fc.constant('push' as const),
  repo: fc.nat({ max: 1 }),
  ref: fc.nat({ max: 1 }),
  seed: fc.nat({ max: 3 }),
  picks: fc.array(pick, { minLength: 1, maxLength: 4 }),
  order: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
});
/** Objects that come with no ref yet, or never get one. */
const part = fc.record({ do: fc.constant('part' as const), of: push, count: fc.nat({ max: 8 }) });
const action = fc.oneof(
  { arbitrary: push, weight: 4 },
  { arbitrary: part, weight: 2 },
  fc.record({
    do: fc.constant('delete' as const),
    repo: fc.nat({ max: 1 }),
    ref: fc.nat({ max: 1 }),
  }),
  fc.record({ do: fc.constant('wait' as const), hours: fc.constantFrom(0.4, 0.7, 2) }),
  { arbitrary: fc.record({ do: fc.constant('gc' as const) }), weight: 2 },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

async function perform(world: World, step: Action): Promise<void> {
  switch (step.do) {
    case 'push':
      await world.push(step.repo, step.ref, treeOf(step.seed, step.picks), step.order);
      return;
    case 'part': {
      const { blobs, catalog, scratch } = world;
      const repo = REPOS[step.of.repo] ?? REPO;
      const objects = treeOf(step.of.seed, step.of.picks).slice(0, step.count);
      await writeObjects(incoming(objects), { blobs, catalog, repo, scratch });
      return;
    }
    case 'delete': {
      const [repo, ref] = [REPOS[step.repo], REFS[step.ref]];
      if (repo === undefined || ref === undefined) return;
      await world.catalog.ostree.deleteRef(repo, ref);
      world.refs.delete(`${repo} ${ref}`);
      return;
    }
    case 'wait':
      world.clock.nowMs += step.hours * HOUR;
      return;
    case 'gc':
      await world.gc();
      return;
  }
}

test('whatever is pushed, deleted and collected when: what a ref reaches stays, all else goes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 14 }), async (actions) => {
      await inWorld(async (world) => {
        for (const step of actions) await perform(world, step);
        await world.expectWhole();
        world.clock.nowMs += 2 * HOUR;
        await world.gc(1);
        await world.expectWhole();
        const { blobs, catalog } = world;
        const reached = new Set(
          [...world.refs.values()].flatMap((tree) =>
            tree.map(({ name }) => formatObjectName(name)),
          ),
        );
        const report = await checkStore({ objects: blobs.objects, catalog, quick: true });
        expect(report.ostreeObjects).toBe(reached.size);
        for (const repo of REPOS) {
          for (const { ref } of await catalog.ostree.refs(repo)) {
            await catalog.ostree.deleteRef(repo, ref);
          }
        }
        const { keptBlobs } = await world.gc();
        expect(keptBlobs).toBe(0);
        const empty = await checkStore({ objects: blobs.objects, catalog, quick: true });
        expect(empty).toMatchObject({ ostreeObjects: 0, rows: 0, faults: [] });
      });
    }),
    { numRuns: 20 },
  );
});

test('a collector beside pushes that rely on what it is about to remove', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(push, push), { minLength: 1, maxLength: 4 }),
      async (rounds) => {
        await inWorld(async (world) => {
          for (const [old, young] of rounds) {
            await world.pushAgain(old.repo, old.ref, treeOf(old.seed, old.picks), old.order);
            const [repo, ref] = [REPOS[old.repo], REFS[old.ref]];
            if (repo === undefined || ref === undefined) return;
            await world.catalog.ostree.deleteRef(repo, ref);
            world.refs.delete(`${repo} ${ref}`);
            world.clock.nowMs += 2 * HOUR;
            const tree = treeOf(young.seed, young.picks);
            await Promise.all([
              world.gc(),
              world.pushAgain(young.repo, young.ref, tree, young.order),
              world.pushAgain(young.repo, young.ref + 1, tree, old.order),
              world.gc(),
            ]);
            await world.expectWhole();
          }
        });
      },
    ),
    { numRuns: 12 },
  );
});

test('a dry run foretells what goes, packs of objects included', async () => {
  await inWorld(async (world) => {
    const { blobs, catalog, clock } = world;
    await world.push(0, 0, treeOf(1, [1, 2]), [1]);
    await world.push(0, 1, treeOf(2, [8, 9]), [1]);
    clock.nowMs += 2 * HOUR;
    await catalog.ostree.deleteRef(REPO, REFS[1] ?? parseOstreeRef('b'));
    const options = { objects: blobs.objects, catalog, clock: clock.read, graceMs: HOUR };
    const foretold = await collectGarbage({ ...options, dryRun: true });
    expect(foretold.removedRows.ostreeObjects).toBeGreaterThan(3);
    expect(foretold).toMatchObject({ removedBlobs: 1, keptBlobs: 1 });
    expect(await collectGarbage({ ...options, dryRun: false })).toEqual(foretold);
  });
});

test('a signal ends it between two steps', async () => {
  await inWorld(async (world) => {
    const { blobs, catalog, clock } = world;
    await world.push(0, 0, treeOf(1, [1]), [1]);
    const options = { objects: blobs.objects, catalog, clock: clock.read, graceMs: HOUR };
    const signal = AbortSignal.abort();
    const collecting = collectGarbage({ ...options, dryRun: false, signal });
    await expect(collecting).rejects.toMatchObject({ code: 'aborted' });
  });
});
