import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checksumOf } from '../../../../delta/ostree/objects/checksum.ts';
import { sampleContent } from '../../../../delta/ostree/static-delta/build/content-samples.ts';
import { findCopies } from '../../../../delta/ostree/static-delta/build/copy-finder.ts';
import { estimateBytes } from '../../../../delta/ostree/static-delta/build/cost.ts';
import type { FileObject } from '../../../../delta/ostree/static-delta/build/delta-objects.ts';
import { FilePair } from '../../../../delta/ostree/static-delta/build/file-pair.ts';
import { NameIndex } from '../../../../delta/ostree/static-delta/build/name-index.ts';
import { SimilarityIndex } from '../../../../delta/ostree/static-delta/build/similarity-index.ts';
import { BufferAccess, type RandomAccess } from '../../../../storage/random-access.ts';
import { noise, prose } from '../../support.ts';

function file(...paths: readonly string[]): FileObject {
  return { kind: 'file', checksum: checksumOf(Buffer.from(paths.join())), paths, size: 1 };
}

describe('sources by name', () => {
  const names = (old: readonly string[], fresh: string): readonly string[] =>
    new NameIndex(old.map((path) => file(path)))
      .sourcesOf(file(fresh))
      .map(({ paths }) => paths[0] ?? '');

  it('come in the order of how much they say', () => {
    const old = [
      '/usr/lib/libx.so.1.0',
      '/opt/libx.so.1.1',
      '/lib/modules/6.1.0-12-amd64/kernel/fs/xfs.ko',
      '/lib/modules/5.9.0-1-amd64/extra/xfs.ko',
      '/usr/bin/other',
    ];
    expect(names(old, '/opt/libx.so.1.1')[0]).toBe('/opt/libx.so.1.1');
    expect(names(old, '/usr/lib/libx.so.1.1').slice(0, 2)).toEqual([
      '/usr/lib/libx.so.1.0',
      '/opt/libx.so.1.1',
    ]);
    expect(names(old, '/lib/modules/6.1.0-13-amd64/kernel/fs/xfs.ko')).toEqual([old[2], old[3]]);
    expect(names(old, '/srv/new')).toEqual([]);
  });

  it('stay few', () => {
    const old = Array.from({ length: 500 }, (_, n) => `/d${n}/__init__.py`);
    expect(names(old, '/new/__init__.py')).toHaveLength(4);
  });
});

describe('sources by content', () => {
  it('are those that hold most of it', async () => {
    const contents = [noise(40_000, 1), noise(40_000, 2), noise(400_000, 3), prose(40_000, 4)];
    const files = await Promise.all(
      contents.map(async (bytes, n) => ({
        file: n,
        samples: await sampleContent(new BufferAccess(bytes), {}),
      })),
    );
    const index = new SimilarityIndex(files);
    const ask = async (bytes: Buffer): Promise<readonly number[]> =>
      index.alike(await sampleContent(new BufferAccess(bytes), {}), 3).map(({ file }) => file);
    const [a, b, c] = contents;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no contents');
    expect(await ask(a)).toEqual([0]);
    expect(await ask(Buffer.concat([noise(5, 9), b, a.subarray(0, 15_000)]))).toEqual([1, 0]);
    expect(await ask(c.subarray(100_000, 150_000))).toEqual([2]);
    expect(await ask(noise(40_000, 8))).toEqual([]);
    expect(await ask(Buffer.alloc(40_000))).toEqual([]);
  });

  it('are sampled alike wherever a piece ends', async () => {
    const bytes = noise(600_000, 5);
    const whole = await sampleContent(new BufferAccess(bytes), {});
    const shifted = await sampleContent(
      new BufferAccess(Buffer.concat([noise(1000, 6), bytes])),
      {},
    );
    const sums = new Set(shifted.sums);
    const kept = whole.sums.filter((sum) => sums.has(sum));
    expect(kept.length).toBeGreaterThanOrEqual(whole.sums.length - 1);
  });
});

describe('copies', () => {
  it('stand where they are said to stand', async () => {
    const step = fc.record({
      source: fc.nat(2),
      start: fc.nat(20_000),
      length: fc.nat(3000),
      gap: fc.nat(90),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
        const sources = [noise(20_000, 1), prose(20_000, 2), Buffer.alloc(5000)];
        const fresh = Buffer.concat(
          steps.flatMap(({ source, start, length, gap }, n) => [
            sources[source]?.subarray(start, start + length) ?? Buffer.alloc(0),
            noise(gap, n + 10),
          ]),
        );
        const copies = await findCopies(
          sources.map((bytes) => new BufferAccess(bytes)),
          new BufferAccess(fresh),
          {},
        );
        let end = 0;
        for (const { newOffset, source, sourceOffset, length } of copies) {
          expect(newOffset).toBeGreaterThanOrEqual(end);
          const bytes = sources[source]?.subarray(sourceOffset, sourceOffset + length);
          expect(bytes?.equals(fresh.subarray(newOffset, newOffset + length))).toBe(true);
          end = newOffset + length;
        }
        expect(end).toBeLessThanOrEqual(fresh.length);
      }),
      { numRuns: 100 },
    );
  });

  it('are found whole, at any place', async () => {
    const source = noise(300_000, 1);
    const fresh = Buffer.concat([prose(777, 2), source.subarray(1234, 251_234), prose(99, 3)]);
    const access = [new BufferAccess(source)];
    expect(await findCopies(access, new BufferAccess(fresh), {})).toEqual([
      { newOffset: 777, source: 0, sourceOffset: 1234, length: 250_000 },
    ]);
  });
});

it('costs are in proportion', async () => {
  const [random, text] = [noise(3_000_000, 1), prose(3_000_000, 2)];
  const cost = (bytes: Buffer): Promise<number> => estimateBytes(new BufferAccess(bytes));
  expect(await cost(Buffer.alloc(0))).toBe(0);
  expect((await cost(random)) / random.length).toBeGreaterThan(0.99);
  expect(await cost(text)).toBeLessThan((await cost(random)) * 0.7);
  expect(await cost(Buffer.alloc(3_000_000))).toBeLessThan(20_000);
  const half = await estimateBytes(new BufferAccess(random), [{ offset: 5, length: 1_500_000 }]);
  expect(half / 1_500_000).toBeGreaterThan(0.99);
  expect(half / 1_500_000).toBeLessThan(1.01);
});

it('pairs too large for memory go window by window, over all new bytes', () => {
  const sized = (size: number): RandomAccess => ({
    size,
    read: (_offset, length) => Promise.resolve(Buffer.alloc(length)),
    readSync: () => undefined,
  });
  for (const [old, fresh] of [
    [1200, 1],
    [1, 1200],
    [5000, 5001],
  ] as const) {
    let end = 0;
    for (const window of new FilePair(sized(old), sized(fresh), 1200).windows) {
      expect(window.newStart).toBe(end);
      expect(window.newBytes + window.oldBytes).toBeLessThanOrEqual(1200);
      expect(window.oldBytes).toBeGreaterThanOrEqual(0);
      expect(window.oldStart + window.oldBytes).toBeLessThanOrEqual(old);
      end = window.newStart + window.newBytes;
    }
    expect(end).toBe(fresh);
  }
  expect(new FilePair(sized(10), sized(20), 30).windows).toHaveLength(1);
});
