import { describe, expect, it } from 'vitest';

import { runOstreeDeltaJob } from '../../../../delta/ostree/matrix/delta-job.ts';
import { formatCommit } from '../../../../delta/ostree/objects/commit.ts';
import { formatDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import { readBlob } from '../../../../storage/blob-store.ts';
import { noise, text } from '../../../storage/chunk/material.ts';
import { apply } from '../static-delta/round-trip.ts';
import { SYMLINK, type MemoryCommit, type Tree } from '../static-delta/memory-repo.ts';
import { LEASE_MS, pairOf, StoredWorld } from './stored-world.ts';

const PROGRAM = noise(400_000, 'program');
const CHANGED = Buffer.concat([
  PROGRAM.subarray(0, 150_000),
  Buffer.from('!'),
  PROGRAM.subarray(150_000),
]);

function tree(program: Buffer): Tree {
  return {
    '/usr/bin/program': { content: program, mode: 0o100_755 },
    '/usr/bin/alias': { content: Buffer.from('program'), mode: SYMLINK },
    '/usr/share/words': { content: text(3000, 'words') },
    '/etc/empty': { content: Buffer.alloc(0) },
  };
}

async function pushTwo(world: StoredWorld) {
  return [await world.push(tree(PROGRAM)), await world.push(tree(CHANGED))] as const;
}

/** The published delta, as it lies in the store. */
async function published(world: StoredWorld, from: MemoryCommit | undefined, to: MemoryCommit) {
  const { blobs, catalog } = world.deps;
  const read = async (name: string): Promise<Buffer | undefined> => {
    const file = await catalog.ostreeDeltas.file(pairOf(from, to), name, 0);
    if (file === undefined) return undefined;
    const bytes = await readBlob(blobs, file.digest, { maxBytes: 1 << 24 });
    expect(bytes.length).toBe(file.size);
    return bytes;
  };
  const superblock = await read('superblock');
  if (superblock === undefined) throw new Error('nothing is published');
  const parts: Buffer[] = [];
  for (const [number] of parseSuperblock(superblock).parts.entries()) {
    parts.push((await read(String(number))) ?? Buffer.alloc(0));
  }
  return { superblock, parts };
}

describe('runOstreeDeltaJob', () => {
  it('publishes a proved delta that leads from one commit to the other', async () => {
    const world = await StoredWorld.open();
    const [one, two] = await pushTwo(world);
    const claim = await world.claim(one, two);
    const outcome = await runOstreeDeltaJob(world.deps, claim);
    expect(outcome).toMatchObject({ kind: 'published' });
    const row = await world.deps.catalog.ostreeDeltas.get(claim.delta.id);
    expect(row).toMatchObject({ state: 'published', result: { requests: 2, fallbackBytes: 0 } });
    const delta = await published(world, one, two);
    const made = await apply(world.repo, one, delta);
    const old = new Set(one.objects.map(({ checksum }) => checksum));
    const fresh = two.objects.filter(({ checksum }) => !old.has(checksum));
    expect([...made.contents.keys()].toSorted()).toEqual(
      fresh.map(({ checksum }) => checksum).toSorted(),
    );
    expect(row?.result?.fullRequests).toBe(fresh.length + 1);
    expect(row?.result?.partBytes).toBeLessThan((row?.result?.fullBytes ?? 0) / 100);
    expect(await world.scratchLeft()).toEqual([]);
  });

  it('publishes one from scratch, larger or not, since it saves requests', async () => {
    const world = await StoredWorld.open();
    const to = await world.push({
      '/a': { content: noise(50, 'a') },
      '/b': { content: noise(50, 'b') },
      '/c': { content: noise(50, 'c') },
    });
    const claim = await world.claim(undefined, to);
    expect(await runOstreeDeltaJob(world.deps, claim)).toMatchObject({ kind: 'published' });
    const made = await apply(world.repo, undefined, await published(world, undefined, to));
    expect(made.objects).toHaveLength(to.objects.length);
  });

  it('rejects one that is not smaller than the loose objects, with the figures', async () => {
    const world = await StoredWorld.open();
    const from = await world.push({ '/a': { content: noise(50, 'a') } });
    const to = await world.push({ '/a': { content: noise(50, 'b') } });
    const claim = await world.claim(from, to);
    const outcome = await runOstreeDeltaJob(world.deps, claim);
    expect(outcome.kind === 'rejected' && outcome.reason).toMatch(
      /^the delta takes \d+ bytes in 2 requests, the loose objects take \d+ in 3$/,
    );
    const row = await world.deps.catalog.ostreeDeltas.get(claim.delta.id);
    expect(row).toMatchObject({ state: 'rejected', result: { requests: 2, fullRequests: 3 } });
    await expect(published(world, from, to)).rejects.toThrow('nothing is published');
  });

  it('fails with a reason when a chunk is damaged, publishes nothing, and gives up in the end', async () => {
    const world = await StoredWorld.open();
    const [one, two] = await pushTwo(world);
    await world.damagePacks();
    let claim = await world.claim(one, two);
    const waits: (number | undefined)[] = [];
    for (;;) {
      const outcome = await runOstreeDeltaJob(world.deps, claim);
      if (outcome.kind !== 'failed') throw new Error(outcome.kind);
      expect(outcome.reason).toMatch(
        /^(corrupt|digest_mismatch): (file|dirtree|dirmeta|commit) [0-9a-f]{64}: /,
      );
      await expect(published(world, one, two)).rejects.toThrow('nothing is published');
      const { retryAtMs } = outcome;
      waits.push(retryAtMs === undefined ? undefined : retryAtMs - world.deps.clock());
      if (retryAtMs === undefined) break;
      world.pass(retryAtMs - world.deps.clock());
      claim = await world.claim(one, two);
    }
    expect(waits).toEqual([10_000, 20_000, undefined]);
    const row = await world.deps.catalog.ostreeDeltas.get(claim.delta.id);
    expect(row).toMatchObject({ state: 'failed', attempts: 3 });
    expect(await world.scratchLeft()).toEqual([]);
  });

  it('fails when the repository no longer has a commit', async () => {
    const world = await StoredWorld.open();
    const to = await world.push(tree(PROGRAM));
    const claim = await world.claim(world.repo.commit(tree(CHANGED)), to);
    const outcome = await runOstreeDeltaJob(world.deps, claim);
    expect(outcome.kind === 'failed' && outcome.reason).toMatch(/^missing: .* has no commit/);
  });

  it('walks a tree that names its folders over and over, to its end', async () => {
    const world = await StoredWorld.open();
    const { repo } = world;
    const file = { content: noise(10, 'x') };
    const [leaf] = repo.commit({ '/x': file }).objects.filter(({ kind }) => kind === 'file');
    if (leaf === undefined) throw new Error('no file');
    let root = repo.addMetadata(
      formatDirtree({ files: [{ name: 'x', checksum: leaf.checksum }], directories: [] }),
    );
    const trees = [root];
    for (let depth = 0; depth < 60; depth += 1) {
      const both = ['a', 'b'].map((name) => ({ name, tree: root, meta: repo.meta }));
      root = repo.addMetadata(formatDirtree({ files: [], directories: both }));
      trees.push(root);
    }
    const bytes = formatCommit({
      metadata: [],
      parent: undefined,
      related: [],
      subject: 'wide',
      body: '',
      timestamp: 0n,
      tree: root,
      meta: repo.meta,
    });
    const commit: MemoryCommit = {
      checksum: repo.addMetadata(bytes),
      bytes,
      objects: [
        leaf,
        { kind: 'dirmeta', checksum: repo.meta, paths: [] },
        ...trees.map((checksum) => ({ kind: 'dirtree' as const, checksum, paths: [] })),
      ],
    };
    await world.store(commit);
    const claim = await world.claim(undefined, commit);
    expect(await runOstreeDeltaJob(world.deps, claim)).toMatchObject({ kind: 'published' });
  });

  it('publishes nothing when policy retired the row meanwhile, or another took it', async () => {
    const world = await StoredWorld.open();
    const [one, two] = await pushTwo(world);
    const { ostreeDeltas } = world.deps.catalog;
    const claim = await world.claim(one, two);
    await ostreeDeltas.retire([claim.delta.id]);
    expect(await runOstreeDeltaJob(world.deps, claim)).toEqual({ kind: 'lost' });
    expect((await ostreeDeltas.get(claim.delta.id))?.state).toBe('retired');
    const late = await world.claim(one, two);
    world.pass(LEASE_MS + 1);
    await world.claim(one, two);
    expect(await runOstreeDeltaJob(world.deps, late)).toEqual({ kind: 'lost' });
    await expect(published(world, one, two)).rejects.toThrow('nothing is published');
  });

  it('gives the row back when the worker is stopped', async () => {
    const world = await StoredWorld.open();
    const [one, two] = await pushTwo(world);
    const claim = await world.claim(one, two);
    const stopped = { ...world.deps, signal: AbortSignal.abort() };
    expect(await runOstreeDeltaJob(stopped, claim)).toEqual({ kind: 'released' });
    expect((await world.claim(one, two)).delta.id).toBe(claim.delta.id);
  });
});
