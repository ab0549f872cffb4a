import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { runOstreeDeltaJob } from '../../delta/ostree/matrix/delta-job.ts';
import { runDeltaJob, runLayerJob } from '../../delta/work.ts';
import { openStore, scratchFolder, type OpenedStore } from '../../server/open-store.ts';
import { BlobStore, readBlob } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { StoreRepair } from '../../storage/fsck/repair.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { collectGarbage } from '../../storage/gc/collect.ts';
import { parseTag } from '../../storage/names.ts';
import { retain } from '../../storage/retention/retention.ts';
import { parseOstreeChecksum } from '../../storage/ostree/checksum.ts';
import { writeObjects } from '../../storage/ostree/object-writer.ts';
import { MemoryRepo } from '../delta/ostree/static-delta/memory-repo.ts';
import { incomingCommit, pairOf } from '../delta/ostree/matrix/stored-world.ts';
import { incompressible, pushImage } from '../server/sample-image.ts';
import { killCommits, MAIN } from '../storage/ostree/kill-commits.ts';
import { incoming } from '../storage/ostree/objects.ts';
import { REPO } from '../suites/catalog/names.ts';
import { WriteSteps } from './write-steps.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
/** More than any piece of work has. */
const MAX_STEPS = 300;
const LEASE_MS = 60_000;

type Place = OpenedStore & { readonly data: string };

interface Scenario {
  readonly prepare: (place: Place) => Promise<void>;
  /** Idempotent: whoever comes after a crash does it again. */
  readonly work: (place: Place) => Promise<void>;
  readonly after?: (place: Place) => Promise<void>;
  /** Manifests that every look finds whole. */
  readonly kept?: (place: Place) => Promise<readonly Digest[]>;
  readonly atLeast: number;
}

async function pushVersion({ blobs, catalog }: OpenedStore, version: string) {
  const target = { blobs, repositories: catalog.repositories, repo: REPO };
  const app = incompressible('app', 20_000);
  incompressible(version, 500).copy(app, 8000);
  const layers = [{ base: incompressible('base', 9000) }, { app }];
  const { digest } = await pushImage(target, AMD64, layers, parseTag(version));
  for (const { digest: layer, kind } of await catalog.repositories.children(REPO, digest)) {
    if (kind === 'layer') await catalog.layers.ensure(layer, 'tar');
  }
  return digest;
}

const deps = ({ data, blobs, catalog }: Place) => ({
  ...{ blobs, catalog, scratch: scratchFolder(data), leaseMs: LEASE_MS, maxAttempts: 100 },
  clock: Date.now,
});

async function chunkAll(place: Place): Promise<void> {
  for (;;) {
    const claim = await place.catalog.layers.claim('w', LEASE_MS);
    if (claim === undefined) return;
    const outcome = await runLayerJob(deps(place), claim);
    if (outcome.kind !== 'chunked') throw new Error(JSON.stringify(outcome));
  }
}

async function buildAll(place: Place): Promise<void> {
  for (;;) {
    const claim = await place.catalog.deltas.claim('w', LEASE_MS);
    if (claim === undefined) return;
    const outcome = await runDeltaJob(deps(place), claim);
    if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome));
  }
}

const manifestsOf = async ({ catalog }: OpenedStore): Promise<readonly Digest[]> => {
  const found = await Promise.all(
    ['v1', 'v2'].map((tag) => catalog.repositories.resolveTag(REPO, parseTag(tag))),
  );
  return found.filter((digest) => digest !== undefined);
};

const pushTwo = async (place: Place): Promise<void> => {
  await pushVersion(place, 'v1');
  await pushVersion(place, 'v2');
};

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'chunking of layers': {
    prepare: pushTwo,
    work: chunkAll,
    after: async ({ catalog }) => {
      expect(await catalog.layers.counts()).toMatchObject({ chunked: 3, pending: 0, chunking: 0 });
    },
    kept: manifestsOf,
    atLeast: 12,
  },
  'a delta that is built and published': {
    prepare: async (place) => {
      await pushTwo(place);
      await chunkAll(place);
      const [from, to] = await manifestsOf(place);
      if (from === undefined || to === undefined) throw new Error('no images');
      const pair = { repo: REPO, tag: parseTag('v2'), platform: 'linux/amd64', from, to };
      await place.catalog.deltas.ensure([pair], 0);
    },
    work: buildAll,
    after: async ({ catalog }) => {
      expect((await catalog.deltas.counts()).published).toBe(1);
    },
    kept: manifestsOf,
    atLeast: 4,
  },
  'a static delta that is built and published': {
    prepare: async ({ blobs, catalog, data }) => {
      const repo = new MemoryRepo();
      const options = { blobs, catalog, repo: REPO, scratch: scratchFolder(data) };
      const [from, to] = ['one', 'two'].map((version) => {
        const program = incompressible('program', 30_000);
        incompressible(version, 500).copy(program, 8000);
        return repo.commit({ '/usr/bin/program': { content: program, mode: 0o100_755 } });
      });
      if (from === undefined || to === undefined) throw new Error('no commits');
      for (const commit of [from, to]) {
        await writeObjects(incomingCommit(repo, commit), options);
        const checksum = parseOstreeChecksum(commit.checksum);
        await catalog.ostree.moveRef(REPO, MAIN, checksum, 'any');
      }
      await catalog.ostreeDeltas.ensure([pairOf(from, to)], 0);
    },
    work: async (place) => {
      const { ostreeDeltas } = place.catalog;
      for (;;) {
        const claim = await ostreeDeltas.claim('w', LEASE_MS);
        if (claim === undefined) return;
        const outcome = await runOstreeDeltaJob(deps(place), claim);
        if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome));
      }
    },
    after: async ({ catalog }) => {
      expect((await catalog.ostreeDeltas.counts()).published).toBe(1);
    },
    atLeast: 5,
  },
  'tags that retention lets go, and a collection': {
    prepare: async (place) => {
      for (const tag of ['v0', 'v1', 'v2']) await pushVersion(place, tag);
      await chunkAll(place);
    },
    work: async ({ blobs, catalog }) => {
      const nowMs = Date.now() + 600_000;
      const tags = { matches: () => true, last: 2 };
      const rules = [{ name: 'last two', repositories: () => true, tags }];
      const policy = { releases: 0, liveMs: 1000, rules };
      await retain({ catalog, nowMs, policy, dryRun: false });
      const store = { objects: blobs.objects, catalog, clock: () => nowMs };
      await collectGarbage({ ...store, graceMs: 0, dryRun: false });
    },
    after: async ({ catalog }) => {
      expect(await catalog.repositories.resolveTag(REPO, parseTag('v0'))).toBeUndefined();
    },
    kept: manifestsOf,
    atLeast: 6,
  },
  'a tag and a manifest that are deleted, and a collection': {
    prepare: async (place) => {
      await pushVersion(place, 'v1');
      await pushVersion(place, 'v3');
      await chunkAll(place);
      const { blobs, catalog, data } = place;
      const [first] = killCommits();
      const options = { blobs, catalog, repo: REPO, scratch: scratchFolder(data) };
      await writeObjects(incoming(first), options);
      await catalog.ostree.moveRef(REPO, MAIN, first[0].name.checksum, 'any');
    },
    work: async ({ blobs, catalog }) => {
      const tag = parseTag('v3');
      const digest = await catalog.repositories.resolveTag(REPO, tag);
      await catalog.repositories.deleteTag(REPO, tag);
      if (digest !== undefined) await catalog.repositories.deleteManifest(REPO, digest);
      await catalog.ostree.deleteRef(REPO, MAIN);
      const later = () => Date.now() + 600_000;
      await collectGarbage({
        ...{ objects: blobs.objects, catalog, clock: later, graceMs: 0, dryRun: false },
      });
    },
    kept: manifestsOf,
    atLeast: 15,
  },
  'a repair': {
    prepare: async (place) => {
      await pushTwo(place);
      await chunkAll(place);
      const { blobs, catalog } = place;
      for (const { digest } of await catalog.audit.expected('pack', undefined, 1)) {
        await blobs.delete(digest);
      }
      for (const { digest } of await catalog.audit.expected('index', undefined, 2)) {
        await blobs.delete(digest);
      }
    },
    work: async ({ blobs, catalog, data }) => {
      const store = { objects: blobs.objects, catalog };
      const repair = new StoreRepair({
        ...{ ...store, clock: Date.now, scratch: scratchFolder(data) },
      });
      const { faults } = await checkStore({ ...store, quick: false, repair });
      expect(faults.filter((fault) => fault.repair?.repaired !== true)).toEqual([]);
    },
    kept: manifestsOf,
    atLeast: 6,
  },
};

async function opened<T>(
  data: string,
  work: (place: Place) => Promise<T>,
  clock = Date.now,
): Promise<T> {
  const store = await openStore({ data, store: { kind: 'fs' } }, clock);
  try {
    return await work({ ...store, data });
  } finally {
    await store.close();
  }
}

async function expectWhole({ blobs, catalog }: Place, kept: readonly Digest[]): Promise<void> {
  for (const digest of kept) {
    await readBlob(blobs, digest, { maxBytes: 100_000 });
    for (const child of await catalog.repositories.children(REPO, digest)) {
      await readBlob(blobs, child.digest, { maxBytes: 100_000 });
    }
  }
}

describe('whoever dies at any step of', () => {
  test.each(Object.entries(SCENARIOS))(
    '%s leaves a whole store',
    async (what, scenario) => {
      const { prepare, work, after, kept, atLeast } = scenario;
      const dir = await mkdtemp(join(tmpdir(), 'rivulet-write-steps-'));
      onTestFinished(() => rm(dir, { recursive: true, force: true }));
      const [seed, data] = [join(dir, 'seed'), join(dir, 'data')];
      const promised = await opened(seed, async (place) => {
        await prepare(place);
        return (await kept?.(place)) ?? [];
      });
      let at = 1;
      for (; at < MAX_STEPS; at += 1) {
        await rm(data, { recursive: true, force: true });
        await cp(seed, data, { recursive: true });
        const steps = new WriteSteps(at);
        await opened(data, async (place) => {
          const dying = {
            ...place,
            blobs: new BlobStore(steps.store(place.blobs.objects)),
            catalog: steps.catalog(place.catalog),
          };
          await work(dying).catch((error: unknown) => {
            if (!steps.struck) throw error;
          });
        });
        // The dead one's leases have run out by then.
        await opened(
          data,
          async (place) => {
            const { blobs, catalog } = place;
            const store = { objects: blobs.objects, catalog };
            await expectWhole(place, promised);
            if (what !== 'a repair') {
              expect((await checkStore({ ...store, quick: true })).faults).toEqual([]);
            }
            await work(place);
            await after?.(place);
            const { faults, absent } = await checkStore({ ...store, quick: false });
            expect({ faults, absent }).toEqual({ faults: [], absent: [] });
            await expectWhole(place, promised);
          },
          () => Date.now() + 2 * LEASE_MS,
        );
        if (!steps.struck) break;
      }
      process.stdout.write(`${what}: died at ${at - 1} steps\n`);
      expect(at).toBeGreaterThan(atLeast);
      expect(at).toBeLessThan(MAX_STEPS);
    },
    300_000,
  );
});
