import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createBsdiffCodec } from '../../../delta/codecs/bsdiff.ts';
import { parseBsdiff } from '../../../delta/codecs/bsdiff-patch.ts';
import { loadBsdiff, type BsdiffGenerator } from '../../../delta/codecs/bsdiff-process.ts';
import type { Match } from '../../../delta/codecs/codec.ts';
import { openCodecs } from '../../../delta/codecs/registry.ts';
import { REASON } from '../../../delta/format/notes.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import { hasBsdiff, noBsdiff, noise, prose, quickBsdiff, touched, withFolder } from '../support.ts';

const isHere = await hasBsdiff();
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'rivulet-bsdiff-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function quickGenerator(): Promise<BsdiffGenerator> {
  const load = await quickBsdiff();
  if (load.kind === 'missing') throw new Error('bsdiff-node is missing');
  return load.generator;
}

/** A generator that must not be asked. */
const never: BsdiffGenerator = { diff: () => Promise.reject(new Error('asked')) };

function align(
  old: Buffer,
  fresh: Buffer,
  generator: BsdiffGenerator,
  bounds = { maxBytes: 2 ** 26, windowBytes: 2 ** 25 },
): ReturnType<ReturnType<typeof createBsdiffCodec>['align']> {
  const codec = createBsdiffCodec(generator, { ...bounds, budgetMs: 1000, budgetMsPerMib: 0 });
  return codec.align({ old: new BufferAccess(old), new: new BufferAccess(fresh), scratch });
}

function checkMatches(matches: readonly Match[], oldSize: number, newSize: number): void {
  let end = 0;
  for (const match of matches) {
    expect(match.newOffset).toBeGreaterThanOrEqual(end);
    expect(match.length).toBeGreaterThan(0);
    expect(match.oldOffset).toBeGreaterThanOrEqual(0);
    expect(match.oldOffset + match.length).toBeLessThanOrEqual(oldSize);
    end = match.newOffset + match.length;
  }
  expect(end).toBeLessThanOrEqual(newSize);
}

describe.skipIf(!isHere)('the bsdiff codec', () => {
  it('aligns what moved', async () => {
    const [head, tail] = [noise(5000, 1), noise(7000, 2)];
    const old = Buffer.concat([head, tail]);
    const fresh = Buffer.concat([tail, prose(100, 3), head]);
    const alignment = await align(old, fresh, await quickGenerator());
    expect(alignment).toMatchObject({
      kind: 'aligned',
      matches: [
        { newOffset: 0, oldOffset: 5000, length: 7000 },
        { newOffset: 7100, oldOffset: 0, length: 5000 },
      ],
    });
    expect(await readdir(scratch)).toEqual([]);
  });

  it('gives matches within both inputs for any input', async () => {
    const generator = await quickGenerator();
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 0, max: 3 }).map((seed) => noise(300, seed)),
      fc.constant(Buffer.alloc(9000)),
    );
    const bytes = fc.array(piece, { maxLength: 5 }).map((parts) => Buffer.concat(parts));
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (old, fresh) => {
        const alignment = await align(old, fresh, generator);
        if (alignment.kind !== 'aligned') throw new Error('declined');
        checkMatches(alignment.matches, old.length, fresh.length);
      }),
      { numRuns: 100 },
    );
  });

  it('aligns large files window by window, with no more than a window at once', async () => {
    const generator = await quickGenerator();
    const old = noise(100_000, 1);
    const fresh = Buffer.concat([prose(500, 2), touched(old, 20, 3)]);
    const sizes: number[] = [];
    const watched: BsdiffGenerator = {
      diff: async (files, options) => {
        sizes.push((await stat(files.old)).size);
        return generator.diff(files, options);
      },
    };
    const bounds = { maxBytes: 50_000, windowBytes: 32_000 };
    const alignment = await align(old, fresh, watched, bounds);
    if (alignment.kind !== 'aligned') throw new Error('declined');
    checkMatches(alignment.matches, old.length, fresh.length);
    const matched = alignment.matches.reduce((sum, match) => sum + match.length, 0);
    expect(matched).toBeGreaterThan(99_000);
    expect(sizes).toEqual(Array.from({ length: 7 }, () => 32_000));
  });

  it('runs in a process of its own, which ends with its budget or its signal', async () => {
    const load = await loadBsdiff();
    if (load.kind === 'missing') throw new Error(load.why);
    await withFolder(async (folder) => {
      const files = {
        old: join(folder, 'old'),
        new: join(folder, 'new'),
        patch: join(folder, 'patch'),
      };
      await writeFile(files.old, noise(3000, 1));
      await writeFile(files.new, touched(noise(3000, 1), 5, 2));
      expect(await load.generator.diff(files, { budgetMs: 60_000 })).toBe('done');

      // Runs of one byte are what bsdiff takes minutes for.
      await writeFile(files.old, Buffer.alloc(2 ** 21));
      await writeFile(files.new, Buffer.alloc(2 ** 21 + 5));
      expect(await load.generator.diff(files, { budgetMs: 500 })).toBe('budget');
      const controller = new AbortController();
      const stopped = load.generator.diff(files, { budgetMs: 60_000, signal: controller.signal });
      setTimeout(() => {
        controller.abort();
      }, 200);
      await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    });
  });

  it('takes zeros and periods out of the way', async () => {
    const generator = await quickGenerator();
    const old = Buffer.concat([noise(9000, 1), Buffer.alloc(2 ** 21), noise(9000, 2)]);
    const fresh = Buffer.concat([noise(9000, 1), Buffer.alloc(2 ** 21 + 99), noise(9000, 2)]);
    const alignment = await align(old, fresh, generator);
    if (alignment.kind !== 'aligned') throw new Error('declined');
    const matched = alignment.matches.reduce((sum, match) => sum + match.length, 0);
    expect(matched).toBeGreaterThanOrEqual(18_000);
    const period = Buffer.alloc(2 ** 20, noise(96, 3));
    const declined = await align(period, period, never);
    expect(declined).toEqual({ kind: 'declined', reason: REASON.bsdiffRepetitive });
  });
});

describe('the bsdiff codec declines', () => {
  it('files that have nothing in common', async () => {
    const declined = await align(noise(400_000, 1), noise(400_000, 2), never);
    expect(declined).toEqual({ kind: 'declined', reason: REASON.unrelated });
  });

  it('when its time is over', async () => {
    const slow: BsdiffGenerator = { diff: () => Promise.resolve('budget') };
    const declined = await align(noise(900, 1), noise(900, 1), slow);
    expect(declined).toEqual({ kind: 'declined', reason: REASON.bsdiffBudget });
  });
});

describe('without bsdiff-node', () => {
  it('the codec is off with one line, and the other codecs are there', async () => {
    const lines: string[] = [];
    const codecs = await openCodecs({
      profile: 'small',
      withoutEngine: true,
      load: () =>
        loadBsdiff(() => {
          throw new Error('Cannot find module');
        }),
      onNotice: (line) => lines.push(line),
    });
    expect(lines).toEqual([]);
    const { aligning, missing } = await codecs.fallback();
    expect(await codecs.fallback()).toEqual({ aligning, missing });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/bsdiff codec is off: bsdiff-node is not installed/);
    expect(aligning.map((codec) => codec.name)).toEqual(['inplace']);
    expect(missing).toBe(REASON.bsdiffMissing);
    expect(noBsdiff().kind).toBe('missing');
  });

  it('a library that does not load counts as missing', async () => {
    await withFolder(async (folder) => {
      const broken = join(folder, 'broken.cjs');
      await writeFile(broken, 'throw new Error("built for another Node")');
      const load = await loadBsdiff(() => broken);
      expect(load).toMatchObject({ kind: 'missing' });
      expect(load.kind === 'missing' && load.why).toMatch(/built for another Node/);
    });
  });
});

describe('parseBsdiff', () => {
  async function patchOf(old: Buffer, fresh: Buffer): Promise<Buffer> {
    return withFolder(async (folder) => {
      const files = { old: join(folder, 'o'), new: join(folder, 'n'), patch: join(folder, 'p') };
      await writeFile(files.old, old);
      await writeFile(files.new, fresh);
      await (await quickGenerator()).diff(files, { budgetMs: 1 });
      return readFile(files.patch);
    });
  }

  it.skipIf(!isHere)('refuses every damaged patch or gives matches within bounds', async () => {
    const old = noise(2000, 1);
    const fresh = Buffer.concat([touched(old, 9, 2), noise(50, 3)]);
    const patch = await patchOf(old, fresh);
    checkMatches(parseBsdiff(patch, old.length, fresh.length), old.length, fresh.length);
    for (let at = 0; at < patch.length; at += 1) {
      const damaged = Buffer.from(patch);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      try {
        checkMatches(parseBsdiff(damaged, old.length, fresh.length), old.length, fresh.length);
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad_format' });
      }
      const cut = (): unknown => parseBsdiff(patch.subarray(0, at), old.length, fresh.length);
      if (at < 32) expect(cut).toThrow(/BSDIFF40/);
    }
    expect(() => parseBsdiff(patch, 100, fresh.length)).toThrow(/leaves the old file/);
    expect(() => parseBsdiff(patch, old.length, 7)).toThrow(/another size/);
  });
});
