import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { applyFileDelta } from '../../delta/apply-file.ts';
import type { BsdiffLoad } from '../../delta/codecs/bsdiff-process.ts';
import { buildFileDelta } from '../../delta/files.ts';
import type { BuildReport, Profile } from '../../delta/write-delta.ts';
import { digestOf } from '../../storage/digest.ts';
import { makeTar, noBsdiff, noise, prose, quickBsdiff, touched, withFolder } from './support.ts';

interface RoundTrip {
  readonly report: BuildReport;
  readonly delta: Buffer;
  readonly output: Buffer;
}

async function roundTrip(
  old: Buffer,
  fresh: Buffer,
  options: { readonly load?: () => Promise<BsdiffLoad>; readonly profile?: Profile } = {},
): Promise<RoundTrip> {
  return withFolder(async (folder) => {
    const paths = {
      old: join(folder, 'old'),
      new: join(folder, 'new'),
      delta: join(folder, 'delta'),
      output: join(folder, 'output'),
    };
    await writeFile(paths.old, old);
    await writeFile(paths.new, fresh);
    const report = await buildFileDelta({
      old: paths.old,
      new: paths.new,
      output: paths.delta,
      scratch: folder,
      profile: options.profile ?? 'fast',
      loadBsdiff: options.load ?? quickBsdiff,
    });
    await applyFileDelta({ old: paths.old, delta: paths.delta, output: paths.output });
    expect((await readdir(folder)).sort()).toEqual(['delta', 'new', 'old', 'output']);
    return { report, delta: await readFile(paths.delta), output: await readFile(paths.output) };
  });
}

const withAndWithout = [
  ['with bsdiff', quickBsdiff],
  ['without bsdiff', () => Promise.resolve(noBsdiff())],
] as const;

describe.each(withAndWithout)('apply(build(a, b), a) = b, %s', (_name, load) => {
  it.each([
    ['two empty files', Buffer.alloc(0), Buffer.alloc(0)],
    ['to empty', Buffer.from('abc'), Buffer.alloc(0)],
    ['from empty', Buffer.alloc(0), Buffer.from('abc')],
    ['one byte', Buffer.from('a'), Buffer.from('b')],
    ['the same byte', Buffer.from('a'), Buffer.from('a')],
    ['zeros', Buffer.alloc(300_000), Buffer.alloc(310_001)],
    ['a period', Buffer.alloc(50_000, 'abcdefg'), Buffer.alloc(60_000, 'bcdefga')],
    ['shuffled halves', noise(40_000, 1), swapHalves(noise(40_000, 1))],
    ['nothing in common', noise(20_000, 1), noise(20_000, 2)],
    ['appended', prose(20_000, 1), Buffer.concat([prose(20_000, 1), prose(500, 2)])],
  ])('%s', async (_case, old, fresh) => {
    const { output } = await roundTrip(old, fresh, { load });
    expect(output.equals(fresh)).toBe(true);
  });

  it('any two files', async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.integer({ min: 0, max: 5 }).map((seed) => prose(400, seed)),
        fc.integer({ min: 1, max: 6000 }).map((length) => Buffer.alloc(length)),
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, pieces, async (a, b) => {
        const fresh = Buffer.concat(b);
        const { output, report, delta } = await roundTrip(Buffer.concat(a), fresh, { load });
        expect(output.equals(fresh)).toBe(true);
        expect(report.digest).toBe(digestOf(delta));
        expect(report.size).toBe(delta.length);
      }),
      { numRuns: 60 },
    );
  });

  it('any two tars', async () => {
    const file = fc.record({
      name: fc.constantFrom('a', 'b', 'lib/c1.js', 'lib/c2.js', 'd/', 'very/deep/e'),
      bytes: fc
        .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 2000 }))
        .map(([seed, length]) => prose(length, seed)),
      mtime: fc.integer({ min: 0, max: 2 }),
    });
    const tar = fc
      .array(file, { minLength: 1, maxLength: 8 })
      .map((files) => makeTar(files.map((f) => (f.name === 'd/' ? { name: f.name } : f))));
    const trailing = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(tar, tar, trailing, async (a, b, trailer) => {
        const fresh = Buffer.concat([b, trailer]);
        const { output } = await roundTrip(a, fresh, { load });
        expect(output.equals(fresh)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('size', () => {
  it('an unchanged tree of 5000 files costs next to nothing', async () => {
    const tar = makeTar(
      Array.from({ length: 5000 }, (_, n) => ({
        name: `lib/file${n}.js`,
        bytes: prose(n % 700, n),
      })),
    );
    const { report } = await roundTrip(tar, tar);
    expect(report.size).toBeLessThan(300);
    expect(report.codecs).toEqual({ copy: { files: 4992, bytes: expect.any(Number) as number } });
  });

  it('one changed file in a tree costs about its change', async () => {
    const files = Array.from({ length: 300 }, (_, n) => ({
      name: `lib/file${n}.js`,
      bytes: prose(4000, n),
    }));
    const changed = files.map((file, n) =>
      n === 150
        ? { ...file, bytes: Buffer.concat([file.bytes, Buffer.from('one more line\n')]) }
        : file,
    );
    const { report } = await roundTrip(makeTar(files), makeTar(changed), { profile: 'small' });
    expect(report.size).toBeLessThan(400);
    expect(report.codecs['engine']?.files).toBe(1);
  });

  it('a moved and touched file is found by its name', async () => {
    const library = prose(60_000, 7);
    const old = makeTar([{ name: 'lib/libfoo.so.1.2.3', bytes: library }]);
    const fresh = makeTar([{ name: 'usr/lib/libfoo.so.1.2.4', bytes: touched(library, 5, 1) }]);
    const { report } = await roundTrip(old, fresh, { profile: 'small' });
    expect(report.size).toBeLessThan(700);
  });

  it('changed times alone cost a few bytes a file', async () => {
    const at = (mtime: number): Buffer =>
      makeTar(
        Array.from({ length: 1000 }, (_, n) => ({
          name: `f${n}`,
          bytes: prose(n % 900, n),
          mtime,
        })),
      );
    const { report } = await roundTrip(at(0), at(1_700_000_000), { profile: 'small' });
    expect(report.size).toBeLessThan(4000);
  });

  it('is never much larger than the compressed new bytes', async () => {
    const { report } = await roundTrip(noise(100_000, 1), noise(100_000, 2));
    expect(report.size).toBeLessThan(100_400);
  });
});

describe('building', () => {
  it('gives the same bytes for the same inputs', async () => {
    const old = makeTar([
      { name: 'a', bytes: prose(30_000, 1) },
      { name: 'b', bytes: noise(900, 2) },
    ]);
    const fresh = makeTar([{ name: 'a', bytes: touched(prose(30_000, 1), 9, 3) }]);
    const first = await roundTrip(old, fresh, { profile: 'small' });
    const second = await roundTrip(old, fresh, { profile: 'small' });
    expect(first.delta.equals(second.delta)).toBe(true);
  });

  it('cuts large outputs in frames and stays within the memory that the header names', async () => {
    const old = noise(9 * 1024 * 1024, 1);
    const fresh = touched(old, 2000, 2);
    const { output, report } = await roundTrip(old, fresh, {
      load: () => Promise.resolve(noBsdiff()),
    });
    expect(output.equals(fresh)).toBe(true);
    expect(report.codecs).toHaveProperty('engine');
    expect(report.ramBytes).toBeLessThan(32 * 1024 * 1024);
  });

  it('reports ascending progress that ends at 1', async () => {
    await withFolder(async (folder) => {
      const seen: number[] = [];
      await writeFile(join(folder, 'old'), prose(100_000, 1));
      await writeFile(join(folder, 'new'), prose(120_000, 2));
      await buildFileDelta({
        old: join(folder, 'old'),
        new: join(folder, 'new'),
        output: join(folder, 'delta'),
        scratch: folder,
        profile: 'fast',
        loadBsdiff: quickBsdiff,
        onProgress: (fraction) => seen.push(fraction),
      });
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBeCloseTo(1);
    });
  });

  it('leaves nothing behind when it is aborted or a file is missing', async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, 'old'), 'old');
      const options = {
        old: join(folder, 'old'),
        new: join(folder, 'old'),
        output: join(folder, 'delta'),
        scratch: folder,
        profile: 'fast',
        loadBsdiff: quickBsdiff,
      } as const;
      const aborted = buildFileDelta({ ...options, signal: AbortSignal.abort() });
      await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
      const missing = buildFileDelta({ ...options, new: join(folder, 'absent') });
      await expect(missing).rejects.toMatchObject({ code: 'missing' });
      expect(await readdir(folder)).toEqual(['old']);
    });
  });
});

describe('applying', () => {
  it('refuses another base at once and names both, without an output', async () => {
    await withFolder(async (folder) => {
      const [old, fresh] = [prose(5000, 1), prose(6000, 2)];
      await writeFile(join(folder, 'old'), old);
      await writeFile(join(folder, 'new'), fresh);
      const delta = join(folder, 'delta');
      await buildFileDelta({
        old: join(folder, 'old'),
        new: join(folder, 'new'),
        output: delta,
        scratch: folder,
        profile: 'fast',
        loadBsdiff: quickBsdiff,
      });
      const applied = applyFileDelta({
        old: join(folder, 'new'),
        delta,
        output: join(folder, 'c'),
      });
      await expect(applied).rejects.toMatchObject({
        code: 'wrong_base',
        detail: { expected: digestOf(old).slice(0, 39), found: digestOf(fresh) },
      });
      expect(await readdir(folder)).not.toContain('c');
    });
  });
});

function swapHalves(bytes: Buffer): Buffer {
  const half = bytes.length / 2;
  return Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]);
}
