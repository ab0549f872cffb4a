import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import { noise, prose } from '../../support.ts';
import { rejectionOf } from '../code-of.ts';
import { MemoryRepo, SYMLINK, type MemoryCommit, type Tree } from './memory-repo.ts';
import { apply, build, newObjects, type MemoryDelta } from './round-trip.ts';

/** Builds, applies, and checks that exactly the new objects came out. */
async function roundTrip(
  old: Tree | undefined,
  fresh: Tree,
  options: Parameters<typeof build>[3] = {},
): Promise<MemoryDelta> {
  const repo = new MemoryRepo();
  const from = old === undefined ? undefined : repo.commit(old);
  const to = repo.commit(fresh);
  const delta = await build(repo, from, to, options);
  await check(repo, from, to, delta);
  return delta;
}

async function check(
  repo: MemoryRepo,
  from: MemoryCommit | undefined,
  to: MemoryCommit,
  delta: MemoryDelta,
): Promise<void> {
  const sink = await apply(repo, from, delta);
  const { fallbacks } = parseSuperblock(delta.superblock);
  const loose = fallbacks.map(({ checksum }) => `file ${checksum}`);
  expect([...sink.objects, ...loose].sort()).toEqual(newObjects(from, to).toSorted());
}

function codingOf(delta: MemoryDelta, path: string): readonly [string | undefined, string] {
  const found = delta.objects.find((object) => object.path === path && object.kind === 'file');
  return [found?.reason, found?.coding ?? 'absent'];
}

/** Noise with some bytes changed here and there, as rebuilt programs have. */
function edited(bytes: Buffer, every: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = every; at < copy.length; at += every) copy[at] = (copy[at] ?? 0) ^ 0x5a;
  return copy;
}

const executable = 0o100_755;

describe('a built delta', () => {
  it('brings any tree to any other', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
      fc
        .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 60_000 }))
        .map(([seed, length]) => prose(length, seed)),
      fc.integer({ min: 20, max: 900 }).map((every) => edited(noise(40_000, 7), every)),
    );
    const file = fc.record({
      content: bytes,
      mode: fc.constantFrom(0o100_644, 0o100_600, 0o104_755, SYMLINK),
      uid: fc.constantFrom(0, 1000),
    });
    const legal = file.map((f) =>
      f.mode === SYMLINK ? { ...f, content: Buffer.from('../target') } : f,
    );
    const path = fc.constantFrom('/a', '/b', '/lib/c-1.2', '/lib/c-1.3', '/x/y/d', '/x/e');
    const tree = fc.dictionary(path, legal, { minKeys: 1 });
    const partBytes = fc.constantFrom(1, 50_000, 32 * 1024 * 1024);
    await fc.assert(
      fc.asyncProperty(fc.option(tree, { nil: undefined }), tree, partBytes, async (old, to, p) => {
        await roundTrip(old, to, { options: { partBytes: p, preset: 0 } });
      }),
      { numRuns: 60 },
    );
  });

  it('ends a part by what it takes compressed', async () => {
    const files = Array.from({ length: 6 }, (_, number) => noise(50_000, 20 + number));
    const to = Object.fromEntries(files.map((content, number) => [`/f${number}`, { content }]));
    const zeros = { '/zeros': { content: Buffer.alloc(500_000) } };
    const options = { wireBytes: 120_000 };
    // Two files a part; zeros take no room.
    const delta = await roundTrip(undefined, { ...to, ...zeros }, { options });
    expect(delta.parts).toHaveLength(3);
    expect((await roundTrip(undefined, { ...to, ...zeros })).parts).toHaveLength(1);
  });

  it('patches a changed file by the one of its path', async () => {
    const program = noise(300_000, 1);
    const delta = await roundTrip(
      { '/bin/tool': { content: program, mode: executable } },
      { '/bin/tool': { content: edited(program, 100), mode: executable } },
    );
    expect(codingOf(delta, '/bin/tool')).toEqual(['named', 'patch']);
    expect(delta.partBytes).toBeLessThan(20_000);
  });

  it('copies what is left of a file where little has changed', async () => {
    const program = noise(300_000, 2);
    const delta = await roundTrip(
      { '/bin/tool': { content: program } },
      { '/bin/tool': { content: edited(program, 100_000) } },
    );
    expect(codingOf(delta, '/bin/tool')).toEqual(['named', 'pieces']);
    expect(delta.partBytes).toBeLessThan(600);
  });

  it('copies a file of which only owner or mode changed', async () => {
    const content = noise(100_000, 3);
    const delta = await roundTrip(
      { '/a': { content } },
      { '/b': { content, mode: executable, uid: 5 } },
    );
    expect(codingOf(delta, '/b')).toEqual(['same-content', 'pieces']);
    expect(delta.partBytes).toBeLessThan(500);
  });

  it('copies what is the same at its own place, or at another one than it is called after', async () => {
    const [content, changed] = [noise(100_000, 42), edited(noise(100_000, 42), 500)];
    const large = noise(9_000_000, 43);
    const delta = await roundTrip(
      { '/a': { content }, '/opt/b': { content: changed }, '/large': { content: large } },
      {
        '/a': { content, mode: executable },
        '/b': { content, uid: 5 },
        '/large': { content: large, mode: executable },
      },
    );
    for (const path of ['/a', '/b', '/large']) {
      expect(codingOf(delta, path)).toEqual(['same-content', 'pieces']);
    }
    expect(delta.partBytes).toBeLessThan(600);
  });

  it('finds a renamed file by its version or its bytes', async () => {
    const library = noise(200_000, 4);
    const other = noise(200_000, 5);
    const delta = await roundTrip(
      { '/lib/libx.so.1.2.3': { content: library }, '/opt/data': { content: other } },
      {
        '/lib/libx.so.1.2.4': { content: edited(library, 200) },
        '/srv/nothing-alike': { content: edited(other, 200) },
      },
    );
    expect(codingOf(delta, '/lib/libx.so.1.2.4')).toEqual(['named', 'patch']);
    expect(codingOf(delta, '/srv/nothing-alike')).toEqual(['alike', 'patch']);
    expect(delta.partBytes).toBeLessThan(30_000);
  });

  it('looks into files that stay only for what is worth reading them', async () => {
    // Three quarters when compressed.
    const content = Buffer.from(noise(4_000_000, 40).map((byte) => byte & 0x3f));
    const stays = { '/usr/share/stays': { content } };
    const partOf = (bytes: Buffer, length: number): Tree => ({
      '/opt/new': { content: edited(bytes.subarray(0, length), 300) },
    });
    const large = await roundTrip(stays, { ...stays, ...partOf(content, 100_000) });
    expect(codingOf(large, '/opt/new')).toEqual(['alike', 'patch']);
    expect(large.partBytes).toBeLessThan(10_000);
    const many = { ...stays, '/usr/share/more': { content: Buffer.alloc(30_000_000) } };
    const small = await roundTrip(many, { ...many, ...partOf(content, 10_000) });
    expect(codingOf(small, '/opt/new')).toEqual(['no-source', 'whole']);
    const packed = { '/usr/share/packed': { content: noise(200_000, 41) } };
    const other = await roundTrip(packed, { ...packed, ...partOf(noise(200_000, 41), 100_000) });
    expect(codingOf(other, '/opt/new')).toEqual(['no-source', 'whole']);
  });

  it('puts a file together from several old ones', async () => {
    const [a, b, c] = [noise(150_000, 6), noise(150_000, 7), noise(150_000, 8)];
    const delta = await roundTrip(
      { '/a': { content: a }, '/b': { content: b }, '/c': { content: c } },
      { '/all': { content: Buffer.concat([b, a, prose(1000, 9), c]) } },
    );
    expect(codingOf(delta, '/all')).toEqual(['several-sources', 'pieces']);
    expect(delta.partBytes).toBeLessThan(2500);
  });

  it('uses a file made earlier in the same part', async () => {
    const program = noise(200_000, 10);
    const delta = await roundTrip(undefined, {
      '/bin/one': { content: program },
      '/bin/two': { content: edited(program, 300) },
      '/bin/two-again': { content: edited(program, 300), mode: executable },
      '/secret': { content: noise(90_000, 11), mode: 0o100_600 },
      '/secret-2': { content: edited(noise(90_000, 11), 300), mode: 0o100_600 },
    });
    expect(codingOf(delta, '/bin/one')).toEqual(['no-source', 'whole']);
    expect(codingOf(delta, '/bin/two')[0]).toBe('same-part');
    expect(codingOf(delta, '/secret-2')).toEqual(['no-source', 'whole']);
  });

  it('stores the same bytes of a part once', async () => {
    const content = noise(100_000, 12);
    const delta = await roundTrip(undefined, {
      '/a': { content },
      '/b': { content, mode: executable },
      '/c': { content, mode: 0o100_600 },
    });
    expect(codingOf(delta, '/c')).toEqual(['same-part', 'whole']);
    expect(delta.partBytes).toBeLessThan(102_000);
  });

  it('matches large files window by window', async () => {
    const program = noise(600_000, 16);
    const moved = Buffer.concat([noise(300, 17), edited(program, 100)]);
    const options = { pairBytes: 300_000 };
    const delta = await roundTrip(
      { '/bin/tool': { content: program } },
      { '/bin/tool': { content: moved } },
      { options },
    );
    expect(codingOf(delta, '/bin/tool')).toEqual(['named', 'patch']);
    expect(delta.partBytes).toBeLessThan(40_000);
  });

  it('is refused when an object is not as long as was said', async () => {
    const repo = new MemoryRepo();
    const to = repo.commit({ '/a': { content: prose(3000, 1) } });
    const lied = to.objects.map((o) => (o.kind === 'file' ? { ...o, size: o.size + 1 } : o));
    const fault = await rejectionOf(build(repo, undefined, to, { newObjects: lied }));
    expect(fault.code).toBe('corrupt');
  });

  it('takes no source that not everybody may read', async () => {
    const content = noise(100_000, 13);
    const delta = await roundTrip(
      { '/etc/shadow': { content, mode: 0o100_640 } },
      { '/etc/shadow': { content: edited(content, 500), mode: 0o100_640 } },
    );
    expect(codingOf(delta, '/etc/shadow')).toEqual(['no-source', 'whole']);
  });

  it('leaves out large objects that compress no better than the loose ones', async () => {
    const delta = await roundTrip(undefined, {
      '/packed': { content: noise(1_200_000, 14) },
      '/small': { content: noise(10_000, 15) },
    });
    expect(codingOf(delta, '/packed')).toEqual(['incompressible', 'fallback']);
    const { fallbacks } = parseSuperblock(delta.superblock);
    expect(fallbacks).toHaveLength(1);
    expect(fallbacks[0]?.contentBytes).toBe(1_200_000);
    expect(delta.fallbackBytes).toBe(fallbacks[0]?.compressedBytes);
  });

  it('is cut into parts, none of which needs another', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [`/f${n}`, { content: prose(50_000, n) }]),
    );
    const delta = await roundTrip(undefined, files, { options: { partBytes: 120_000 } });
    expect(delta.parts).toHaveLength(6);
  });

  it('is the same whatever the order of the objects', async () => {
    const repo = new MemoryRepo();
    const trees = [20, 21].map((seed) =>
      Object.fromEntries(
        Array.from({ length: 30 }, (_, n) => [
          `/d${n % 3}/f${n}`,
          { content: prose(3000, n * seed) },
        ]),
      ),
    );
    const [from, to] = trees.map((tree) => repo.commit(tree));
    if (from === undefined || to === undefined) throw new Error('no commits');
    const options = { partBytes: 30_000 };
    const one = await build(repo, from, to, { options });
    const other = await build(repo, from, to, {
      options,
      oldObjects: from.objects.toReversed(),
      newObjects: to.objects.toReversed(),
    });
    expect(other).toEqual(one);
  });

  it('carries small parts in its superblock', async () => {
    const tree = { '/a': { content: prose(3000, 1) } };
    const delta = await roundTrip(undefined, tree, { options: { inlineBytes: 4096 } });
    expect(delta.parts).toHaveLength(0);
    expect(parseSuperblock(delta.superblock).parts[0]?.inline).toBeDefined();
  });

  it('ends when the signal fires', async () => {
    const tree = { '/a': { content: prose(3000, 1) } };
    const fault = await rejectionOf(roundTrip(undefined, tree, { signal: AbortSignal.abort() }));
    expect(fault.code).toBe('aborted');
  });
});
