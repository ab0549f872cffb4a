import { readFile, truncate, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { applyFileDelta } from '../../delta/apply-file.ts';
import { readFrameHead } from '../../delta/format/frame-head.ts';
import { readHeader } from '../../delta/format/header.ts';
import { tag4 } from '../../delta/format/tag.ts';
import { inspectDelta } from '../../delta/inspect.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { compressFrame } from '../../storage/zstd.ts';
import { makePair, nextVersion, type EnginePair } from './engine-pairs.ts';
import { tinyElf } from './tiny-elf.ts';
import { makeTar, noise, prose, touched, withFolder, type TarFile } from './support.ts';

const MIB = 1024 * 1024;

/** The pair's frames: where each begins, in the delta and in the output. */
async function framesOf({
  delta,
  fresh,
}: EnginePair): Promise<
  readonly { readonly offset: number; readonly done: number; readonly back: number }[]
> {
  const source = new BufferAccess(delta);
  const frames = [];
  let { framesOffset: offset } = await readHeader(source);
  for (let done = 0; done < fresh.length;) {
    const head = await readFrameHead(source, offset, { version: 2, done, size: fresh.length });
    frames.push({ offset, done, back: head.back });
    offset = head.endOffset;
    done += head.outputBytes;
  }
  return frames;
}

describe.each(['small', 'fast'] as const)('apply(build(a, b), a) = b, profile %s', (profile) => {
  it('of two versions of a file', async () => {
    const { report } = await makePair(...nextVersion(60_000, 1), { profile });
    expect(Object.keys(report.codecs)).toEqual(['engine']);
    expect(report.size).toBeLessThan(3000);
  });

  it('of any two files', async () => {
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
        await makePair(Buffer.concat(a), Buffer.concat(b), { profile });
      }),
      { numRuns: 25 },
    );
  });

  it('of a file of several sections', async () => {
    const pair = await makePair(...nextVersion(9 * MIB, 5), { profile });
    const frames = await framesOf(pair);
    expect(frames.length).toBeGreaterThan(1);
    expect(frames.map(({ back }) => back)).toEqual(
      frames.map(({ offset }) => offset - (frames[0]?.offset ?? 0)),
    );
  });
});

describe('references', () => {
  it('to what moved cost next to nothing', async () => {
    const old = tinyElf(3000, 5, new Set());
    const fresh = tinyElf(3000, 5, new Set([10, 700, 1400, 2900]));
    const { report } = await makePair(old, fresh);
    expect(report.codecs).toHaveProperty('engine');
    expect(report.size).toBeLessThan(400);
    // As bytes without a machine it takes many times as much.
    const plain = (elf: Buffer): Buffer => Buffer.concat([Buffer.from('no ELF'), elf]);
    const other = await makePair(plain(old), plain(fresh));
    expect(other.report.size).toBeGreaterThan(report.size * 4);
  });
});

describe('a tree', () => {
  const version = (seed: number): TarFile[] =>
    Array.from({ length: 60 }, (_, n) => ({
      name: `lib/part${n}.js`,
      bytes: n % 3 === 0 ? touched(prose(3000, n), 5 * seed, n) : prose(3000, n),
      mtime: n % 5 === 0 ? seed : 0,
    }));

  it('has its small files in one pair, whatever stands between them', async () => {
    const program = nextVersion(700_000, 9);
    const tree = (seed: number, file: Buffer): Buffer =>
      makeTar([...version(seed), { name: 'bin/program', bytes: file }, ...version(seed + 1)]);
    const pair = await makePair(tree(0, program[0]), tree(1, program[1]));
    const [frame] = await framesOf(pair);
    const summary = await inspectDelta(new BufferAccess(pair.delta));
    expect(summary.outputs[0]?.sections.map(({ codec }) => codec)).toContain('engine');
    expect(frame?.back).toBe(0);
    expect(pair.report.codecs['engine']?.files).toBeGreaterThan(20);
  });

  it('finds what was split off a library in the old one', async () => {
    const library = noise(400_000, 3);
    const old = makeTar([{ name: 'lib/libfoo.so.1', bytes: library }]);
    const fresh = makeTar([
      { name: 'lib/libfoo.so.1', bytes: library.subarray(0, 250_000) },
      { name: 'usr/lib/libfoo.so.2', bytes: library.subarray(250_000) },
    ]);
    expect((await makePair(old, fresh)).report.size).toBeLessThan(3000);
  });
});

describe('bounds', () => {
  it('a file beyond them goes window by window', async () => {
    const [old, fresh] = nextVersion(3 * MIB, 11);
    const limits = { pairBytes: MIB };
    const { report } = await makePair(old, fresh, { limits });
    expect(Object.keys(report.codecs)).toEqual(['engine']);
    expect(report.size).toBeLessThan(fresh.length / 4);
  });

  it('a pair out of time goes to the next codec, which says so', async () => {
    const pair = await makePair(noise(5000, 1), noise(5000, 2), {
      limits: { budgetMs: 0, budgetMsPerMib: 0 },
    });
    const summary = await inspectDelta(new BufferAccess(pair.delta));
    expect(summary.outputs[0]?.sections).toMatchObject([
      { codec: 'zstd', why: expect.stringMatching(/ran out of its time/) as string },
    ]);
  });

  it.each([
    ['noise', noise(400_000, 1), noise(300_000, 2)],
    ['a byte', Buffer.from('a'), Buffer.from('b')],
    ['text', prose(9000, 1), prose(7000, 2)],
    ['a long period', noise(100, 1), Buffer.concat([noise(2.5 * MIB, 3), noise(2.5 * MIB, 3)])],
  ])('%s is never larger than compressed alone and 64 bytes', async (_name, old, fresh) => {
    const alone = await compressFrame(fresh, 19);
    expect((await makePair(old, fresh)).report.size).toBeLessThanOrEqual(alone.length + 64);
  });
});

describe('resuming', () => {
  it('begins at any frame, in the middle of a pair', async () => {
    const pair = await makePair(...nextVersion(9 * MIB, 21));
    const frames = await framesOf(pair);
    await withFolder(async (folder) => {
      const place = join(folder, 'output');
      for (const frame of frames) {
        await writeFile(place, pair.fresh.subarray(0, frame.done + 1000));
        let start = -1;
        await applyDelta(
          await openDelta(new BufferAccess(pair.delta)),
          { tar: () => Promise.resolve(new BufferAccess(pair.old)) },
          {
            existing: async () => new BufferAccess(await readFile(place)),
            output: async (_output, from) => {
              start = from;
              await truncate(place, from);
              return createWriteStream(place, { flags: 'r+', start: from });
            },
          },
        );
        expect(start).toBe(frame.done);
        expect((await readFile(place)).equals(pair.fresh)).toBe(true);
      }
    });
  });

  it('a killed apply goes on in the part file that it left, whatever is in it', async () => {
    const pair = await makePair(...nextVersion(9 * MIB, 23));
    const [, second] = await framesOf(pair);
    const done = second?.done ?? 0;
    const torn = Buffer.concat([pair.fresh.subarray(0, done), noise(pair.fresh.length, 1)]);
    const { framesOffset } = await readHeader(new BufferAccess(pair.delta));
    const digits = tag4(pair.delta.subarray(0, framesOffset)).toString('hex');
    await withFolder(async (folder) => {
      const paths = { old: join(folder, 'old'), delta: join(folder, 'delta') };
      await writeFile(paths.old, pair.old);
      await writeFile(paths.delta, pair.delta);
      for (const left of [torn, pair.fresh.subarray(0, done + 5), pair.fresh, Buffer.alloc(9)]) {
        await writeFile(join(folder, `.new.${digits}.part`), left);
        const seen: number[] = [];
        const output = join(folder, 'new');
        await applyFileDelta({ ...paths, output, onProgress: (bytes) => seen.push(bytes) });
        expect((await readFile(output)).equals(pair.fresh)).toBe(true);
        expect(seen[0]).toBe(left.length < done ? 0 : left === pair.fresh ? left.length : done);
      }
    });
  });
});
