import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { runDeltaJob, runLayerJob, type DeltaClaim, type WorkDeps } from '../../delta/work.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaPair } from '../../storage/catalog/delta-catalog.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { makeTar, noise, prose, pushImage, quickBsdiff, touched, withFolder } from './support.ts';

interface World {
  readonly deps: WorkDeps & { readonly catalog: Catalog };
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly scratch: string;
  /** Moves the clock. */
  pass(ms: number): void;
}

const LEASE_MS = 60_000;

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    let now = 1_000_000;
    const clock = (): number => now;
    const catalog = await openSqliteCatalog(':memory:', clock);
    const blobs = new BlobStore(createMemoryStore());
    const scratch = join(folder, 'scratch');
    await mkdir(scratch);
    const deps = {
      blobs,
      catalog,
      scratch,
      leaseMs: LEASE_MS,
      maxAttempts: 3,
      clock,
      loadBsdiff: quickBsdiff,
    };
    const pass = (ms: number): void => {
      now += ms;
    };
    try {
      await work({ deps, blobs, catalog, scratch, pass });
      expect(await readdir(scratch)).toEqual([]);
    } finally {
      await catalog.close();
    }
  });
}

const PROGRAM = noise(50_000, 1);
const OLD = makeTar([{ name: 'app', bytes: PROGRAM }]);
const NEW = makeTar([{ name: 'app', bytes: touched(PROGRAM, 10, 2) }]);

function pair(from: Digest, to: Digest): DeltaPair {
  const [repo, tag] = [parseRepoName('app'), parseTag('stable')];
  return { repo, tag, platform: 'linux/amd64', from, to };
}

async function claimPair(world: World, from: Digest, to: Digest): Promise<DeltaClaim> {
  await world.catalog.deltas.ensure([pair(from, to)], 0);
  return claimNext(world);
}

async function claimNext({ catalog }: World): Promise<DeltaClaim> {
  const claim = await catalog.deltas.claim('test', LEASE_MS);
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

describe('runDeltaJob', () => {
  it('builds, proves, stores and publishes', async () => {
    await withWorld(async (world) => {
      const from = await pushImage(world.blobs, [OLD]);
      const to = await pushImage(world.blobs, [NEW]);
      const claim = await claimPair(world, from, to);
      const outcome = await runDeltaJob(world.deps, claim);
      expect(outcome).toMatchObject({ kind: 'published' });
      const row = await world.catalog.deltas.get(claim.delta.id);
      expect(row?.state).toBe('published');
      const result = row?.result;
      if (result === undefined) throw new Error('no result');
      expect(result.size).toBeLessThan(2000);
      expect(result.fullSize).toBeGreaterThan(50_000);
      expect(await world.blobs.stat(result.digest)).toMatchObject({ size: result.size });
    });
  });

  it('rejects a delta that is not smaller, without keeping its bytes', async () => {
    await withWorld(async (world) => {
      const from = await pushImage(world.blobs, [makeTar([{ name: 'x', bytes: prose(90, 1) }])]);
      const tar = makeTar([{ name: 'y', bytes: noise(9000, 2) }]);
      const to = await pushImage(world.blobs, [tar], { layerSize: 1 });
      const before = await countBlobs(world.blobs);
      const claim = await claimPair(world, from, to);
      const outcome = await runDeltaJob(world.deps, claim);
      const row = await world.catalog.deltas.get(claim.delta.id);
      expect(outcome.kind).toBe('rejected');
      expect(row?.state).toBe('rejected');
      expect(row?.reason).toMatch(
        /the delta takes \d+ bytes, the layers that the base lacks take \d+/,
      );
      expect(await countBlobs(world.blobs)).toBe(before);
    });
  });

  it('tries again later and later, then gives up', async () => {
    await withWorld(async (world) => {
      const to = await pushImage(world.blobs, [NEW]);
      const absent = digestOf(Buffer.from('absent'));
      let claim = await claimPair(world, absent, to);
      const waits: (number | undefined)[] = [];
      for (;;) {
        const outcome = await runDeltaJob(world.deps, claim);
        if (outcome.kind !== 'failed') throw new Error(outcome.kind);
        expect(outcome.reason).toMatch(/^missing: the manifest sha256:/);
        const { retryAtMs } = outcome;
        waits.push(retryAtMs === undefined ? undefined : retryAtMs - world.deps.clock());
        if (retryAtMs === undefined) break;
        expect(await world.catalog.deltas.claim('test', LEASE_MS)).toBeUndefined();
        world.pass(retryAtMs - world.deps.clock());
        claim = await claimNext(world);
      }
      expect(waits).toEqual([10_000, 20_000, undefined]);
      expect((await world.catalog.deltas.get(claim.delta.id))?.state).toBe('failed');
    });
  });

  it('gives up on a pair that keeps killing its builders', async () => {
    await withWorld(async (world) => {
      const [from, to] = [await pushImage(world.blobs, [OLD]), await pushImage(world.blobs, [NEW])];
      let claim = await claimPair(world, from, to);
      for (let crash = 0; crash < 9; crash += 1) {
        world.pass(LEASE_MS + 1);
        claim = await claimNext(world);
      }
      const outcome = await runDeltaJob(world.deps, claim);
      expect(outcome).toMatchObject({ kind: 'failed', retryAtMs: undefined });
    });
  });

  it('publishes nothing when policy retired the row meanwhile', async () => {
    await withWorld(async (world) => {
      const [from, to] = [await pushImage(world.blobs, [OLD]), await pushImage(world.blobs, [NEW])];
      const claim = await claimPair(world, from, to);
      await world.catalog.deltas.retire([claim.delta.id]);
      expect(await runDeltaJob(world.deps, claim)).toEqual({ kind: 'lost' });
      expect((await world.catalog.deltas.get(claim.delta.id))?.state).toBe('retired');
    });
  });

  it('notices within the work that the lease is lost', async () => {
    await withWorld(async (world) => {
      const [from, to] = [await pushImage(world.blobs, [OLD]), await pushImage(world.blobs, [NEW])];
      const claim = await claimPair(world, from, to);
      // Another worker takes the row, and bsdiff would never end but for the signal.
      const endless: WorkDeps = {
        ...world.deps,
        leaseMs: 30,
        loadBsdiff: () =>
          Promise.resolve({
            kind: 'loaded',
            generator: {
              diff: (_files, { signal }) =>
                new Promise((_resolve, reject) => {
                  const stop = (): void => {
                    reject(new Error('stopped'));
                  };
                  if (signal?.aborted === true) stop();
                  else signal?.addEventListener('abort', stop);
                }),
            },
          }),
      };
      world.pass(LEASE_MS + 1);
      await claimNext(world);
      expect(await runDeltaJob(endless, claim)).toEqual({ kind: 'lost' });
      expect((await world.catalog.deltas.get(claim.delta.id))?.state).toBe('building');
    });
  });

  it('gives the row back when the worker is stopped', async () => {
    await withWorld(async (world) => {
      const [from, to] = [await pushImage(world.blobs, [OLD]), await pushImage(world.blobs, [NEW])];
      const claim = await claimPair(world, from, to);
      const stopped = { ...world.deps, signal: AbortSignal.abort() };
      expect(await runDeltaJob(stopped, claim)).toEqual({ kind: 'released' });
      expect((await claimNext(world)).delta.id).toBe(claim.delta.id);
    });
  });

  it('never crosses platforms', async () => {
    await withWorld(async (world) => {
      const from = await pushImage(world.blobs, [OLD], { architecture: 'arm64' });
      const to = await pushImage(world.blobs, [NEW]);
      const outcome = await runDeltaJob(world.deps, await claimPair(world, from, to));
      expect(outcome).toMatchObject({ kind: 'failed' });
      expect(outcome.kind === 'failed' && outcome.reason).toMatch(/no delta crosses platforms/);
    });
  });
});

describe('runLayerJob', () => {
  it('chunks a layer and says what it is', async () => {
    await withWorld(async (world) => {
      const { digest } = await world.blobs.putBytes(OLD);
      await world.catalog.layers.ensure(digest, MEDIA_TYPES.ociLayerTar);
      const claim = await world.catalog.layers.claim('test', LEASE_MS);
      if (claim === undefined) throw new Error('nothing to claim');
      expect(await runLayerJob(world.deps, claim)).toEqual({ kind: 'chunked' });
      expect(await world.catalog.layers.get(digest)).toMatchObject({
        state: 'chunked',
        diffId: digestOf(OLD),
        rawSize: OLD.length,
      });
    });
  });

  it('marks what can not be opened as opaque', async () => {
    await withWorld(async (world) => {
      const { digest } = await world.blobs.putBytes(Buffer.from('1f8b0800', 'hex'));
      await world.catalog.layers.ensure(digest, MEDIA_TYPES.ociLayerGzip);
      const claim = await world.catalog.layers.claim('test', LEASE_MS);
      if (claim === undefined) throw new Error('nothing to claim');
      expect(await runLayerJob(world.deps, claim)).toMatchObject({ kind: 'opaque' });
      expect((await world.catalog.layers.get(digest))?.state).toBe('opaque');
    });
  });

  it('leaves the row to its lease when the store fails, and gives it back when stopped', async () => {
    await withWorld(async (world) => {
      const digest = digestOf(Buffer.from('absent'));
      await world.catalog.layers.ensure(digest, MEDIA_TYPES.ociLayerGzip);
      const claim = await world.catalog.layers.claim('test', LEASE_MS);
      if (claim === undefined) throw new Error('nothing to claim');
      expect(await runLayerJob(world.deps, claim)).toMatchObject({ kind: 'failed' });
      expect((await world.catalog.layers.get(digest))?.state).toBe('chunking');
      const stopped = { ...world.deps, signal: AbortSignal.abort() };
      expect(await runLayerJob(stopped, claim)).toEqual({ kind: 'released' });
      expect((await world.catalog.layers.get(digest))?.state).toBe('pending');
    });
  });
});

async function countBlobs(blobs: BlobStore): Promise<number> {
  const keys = new Set<string>();
  for await (const { key } of blobs.objects.list('blobs/')) keys.add(key);
  return keys.size;
}
