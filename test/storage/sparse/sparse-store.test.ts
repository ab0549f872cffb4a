import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../../storage/digest.ts';
import { BLOCK_BYTES, SparseFile } from '../../../storage/sparse/sparse-store.ts';
import { collect } from '../../suites/object-store.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';

const SIZE = 3 * BLOCK_BYTES + 1234;
const WHOLE = { start: 0, endExclusive: SIZE };
const bytes = randomBytes(SIZE);
const digest = digestOf(bytes);

describe('sparse file', () => {
  let root: string;
  const opened: SparseFile[] = [];
  const openFile = async (name: Digest = digest, size = SIZE): Promise<SparseFile> => {
    const file = await SparseFile.open(root, name, size);
    opened.push(file);
    return file;
  };
  const put = (file: SparseFile, start: number, endExclusive: number): Promise<void> =>
    file.write(start, bytes.subarray(start, endExclusive));

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rivulet-sparse-'));
  });
  afterEach(async () => {
    for (const file of opened.splice(0)) await file.close().catch(() => undefined);
    await rm(root, { recursive: true, force: true });
  });

  it('holds nothing at first', async () => {
    const file = await openFile();
    expect(file.size).toBe(SIZE);
    expect(file.complete).toBe(false);
    expect(file.presentBytes).toBe(0);
    expect(file.missing()).toEqual([WHOLE]);
    expect((await stat(file.path)).size).toBe(SIZE);
    await expect(collect(file.read({ start: 0, endExclusive: 1 }))).rejects.toMatchObject({
      code: 'missing',
    });
  });

  it('counts whole blocks only, in any order', async () => {
    const file = await openFile();
    await put(file, 10, BLOCK_BYTES);
    expect(file.presentBytes).toBe(0);
    await put(file, BLOCK_BYTES, 2 * BLOCK_BYTES);
    expect(file.has({ start: BLOCK_BYTES, endExclusive: 2 * BLOCK_BYTES })).toBe(true);
    expect(file.has({ start: BLOCK_BYTES - 1, endExclusive: BLOCK_BYTES + 1 })).toBe(false);
    await put(file, 3 * BLOCK_BYTES, SIZE);
    expect(file.missing()).toEqual([
      { start: 0, endExclusive: BLOCK_BYTES },
      { start: 2 * BLOCK_BYTES, endExclusive: 3 * BLOCK_BYTES },
    ]);
    expect(file.missing({ start: 5, endExclusive: 6 })).toEqual([
      { start: 0, endExclusive: BLOCK_BYTES },
    ]);
    await put(file, 0, SIZE);
    expect(file.complete).toBe(true);
    expect(file.presentBytes).toBe(SIZE);
    expect((await collect(file.read(WHOLE))).equals(bytes)).toBe(true);
    expect(await file.verify()).toBe(true);
  });

  it('reads as written, however it is written and read', async () => {
    const cut = fc.nat(SIZE);
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 6 }), cut, cut, async (cuts, a, b) => {
        n += 1;
        const file = await SparseFile.open(join(root, String(n)), digest, SIZE);
        const borders = [0, ...cuts.sort((x, y) => x - y), SIZE];
        for (const [index, start] of borders.entries())
          await put(file, start, borders[index + 1] ?? SIZE);
        expect(file.complete).toBe(true);
        const range = { start: Math.min(a, b), endExclusive: Math.max(a, b) };
        if (range.start < range.endExclusive) {
          const slice = bytes.subarray(range.start, range.endExclusive);
          expect((await collect(file.read(range))).equals(slice)).toBe(true);
        }
        await file.remove();
      }),
      { numRuns: 12 },
    );
  });

  it('fills exactly what it says is missing', async () => {
    const block = fc.nat(3);
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(block), async (blocks) => {
        n += 1;
        const folder = join(root, String(n));
        const file = await SparseFile.open(folder, digest, SIZE);
        for (const each of blocks)
          await put(file, each * BLOCK_BYTES, Math.min((each + 1) * BLOCK_BYTES, SIZE));
        await file.close();
        const again = await SparseFile.open(folder, digest, SIZE);
        expect(again.presentBytes).toBe(file.presentBytes);
        for (const { start, endExclusive } of again.missing())
          await put(again, start, endExclusive);
        expect(again.complete).toBe(true);
        expect(await again.verify()).toBe(true);
        await again.remove();
      }),
      { numRuns: 10 },
    );
  });

  it('survives closing, with what it knows of the digest', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    expect(await file.verify()).toBe(true);
    await file.close();
    const again = await openFile();
    expect(again.complete).toBe(true);
    expect(again.verified).toBe(true);
    expect((await collect(again.read(WHOLE))).equals(bytes)).toBe(true);
  });

  it('keeps no blocks of a blob whose digest is wrong', async () => {
    const other = digestOf(Buffer.from('something else'));
    const file = await openFile(other);
    await put(file, 0, SIZE);
    expect(await file.verify()).toBe(false);
    expect(file.presentBytes).toBe(0);
    expect(file.verified).toBe(false);
    await file.close();
    expect((await openFile(other)).missing()).toEqual([WHOLE]);
  });

  it('verifies only what is all there', async () => {
    const file = await openFile();
    await put(file, 0, BLOCK_BYTES);
    await expect(file.verify()).rejects.toMatchObject({ code: 'missing' });
    expect(file.presentBytes).toBe(BLOCK_BYTES);
  });

  it('notices a damaged block, and only that one is missing', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    expect(await file.verify()).toBe(true);
    await damage(file.path, BLOCK_BYTES + 17);
    await expect(collect(file.read(WHOLE))).rejects.toMatchObject({
      code: 'corrupt',
      retryable: true,
    });
    expect(file.missing()).toEqual([{ start: BLOCK_BYTES, endExclusive: 2 * BLOCK_BYTES }]);
    expect(file.verified).toBe(false);
    await put(file, BLOCK_BYTES, 2 * BLOCK_BYTES);
    expect(await file.verify()).toBe(true);
  });

  it('remembers a damaged block as missing', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    await damage(file.path, 17);
    await expect(collect(file.read({ start: 0, endExclusive: 1 }))).rejects.toMatchObject({
      code: 'corrupt',
    });
    await file.close();
    expect((await openFile()).missing()).toEqual([{ start: 0, endExclusive: BLOCK_BYTES }]);
  });

  it('treats bytes that never reached the disk as damaged', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    await file.close();
    await truncate(file.path, BLOCK_BYTES);
    const again = await openFile();
    const first = await collect(again.read({ start: 0, endExclusive: BLOCK_BYTES }));
    expect(first.equals(bytes.subarray(0, BLOCK_BYTES))).toBe(true);
    await expect(collect(again.read(WHOLE))).rejects.toMatchObject({ code: 'corrupt' });
  });

  it.each([
    ['cut', (path: string) => truncate(path, 50)],
    ['flipped', (path: string) => damage(path, 30)],
    ['foreign', (path: string) => writeFile(path, randomBytes(40))],
  ])('starts anew with a %s map', async (_name, spoil) => {
    const file = await openFile();
    await put(file, 0, SIZE);
    await file.close();
    await spoil(file.path.replace(/data$/, 'map'));
    const again = await openFile();
    expect(again.presentBytes).toBe(0);
    await put(again, 0, SIZE);
    expect(await again.verify()).toBe(true);
  });

  it('starts anew with another size', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    await file.close();
    expect((await openFile(digest, SIZE - 1)).presentBytes).toBe(0);
  });

  it('refuses bytes and ranges past the end', async () => {
    const file = await openFile();
    const code = 'range_unsatisfiable';
    await expect(file.write(SIZE - 1, Buffer.alloc(2))).rejects.toMatchObject({ code });
    await expect(file.write(-1, Buffer.alloc(2))).rejects.toMatchObject({ code });
    await expect(collect(file.read({ start: 0, endExclusive: SIZE + 1 }))).rejects.toMatchObject({
      code,
    });
    expect(() => file.missing({ start: 5, endExclusive: 5 })).toThrow(
      expect.objectContaining({ code }) as Error,
    );
    await expect(SparseFile.open(root, digest, -1)).rejects.toMatchObject({ code: 'invalid_name' });
  });

  it('takes writers at once', async () => {
    const file = await openFile();
    const writer = async (from: number, step: number): Promise<void> => {
      for (let at = from; at < SIZE; at += step) await put(file, at, Math.min(at + step, SIZE));
    };
    await Promise.all([
      writer(0, 100_000),
      writer(BLOCK_BYTES, 50_000),
      writer(2 * BLOCK_BYTES, 70_000),
    ]);
    expect(file.complete).toBe(true);
    expect(await file.verify()).toBe(true);
  });

  it('knows the empty blob', async () => {
    const file = await openFile(digestOf(Buffer.alloc(0)), 0);
    expect(file.complete).toBe(true);
    expect(file.missing()).toEqual([]);
    expect(await file.verify()).toBe(true);
  });

  it('removes its files', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    await file.sync();
    expect((await readdir(root)).length).toBe(2);
    await file.remove();
    expect(await readdir(root)).toEqual([]);
  });

  it('stops reading when the signal fires', async () => {
    const file = await openFile();
    await put(file, 0, SIZE);
    const signal = AbortSignal.abort();
    await expect(collect(file.read(WHOLE, { signal }))).rejects.toMatchObject({ code: 'aborted' });
  });

  it('has after kill -9 what it had, all of it right', async () => {
    const size = 64 * BLOCK_BYTES;
    const name = digestOf(Buffer.from('killed'));
    const child = spawnTypescript(join(import.meta.dirname, 'sparse-kill-child.ts'), [
      root,
      name,
      String(size),
    ]);
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await exited;
    const file = await openFile(name, size);
    expect(file.presentBytes).toBeGreaterThanOrEqual(BLOCK_BYTES);
    for (let block = 0; block < size / BLOCK_BYTES; block += 1) {
      const range = { start: block * BLOCK_BYTES, endExclusive: (block + 1) * BLOCK_BYTES };
      if (!file.has(range)) continue;
      expect((await collect(file.read(range))).equals(Buffer.alloc(BLOCK_BYTES, block + 1))).toBe(
        true,
      );
    }
  });
});

async function damage(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await file.write(byte, 0, 1, at);
  await file.close();
}
