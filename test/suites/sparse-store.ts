import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../storage/digest.ts';
import type { SparseBlob } from '../../storage/sparse/sparse-blob.ts';
import { BLOCK_BYTES, type SparseStore } from '../../storage/sparse/sparse-store.ts';
import { collect } from './object-store.ts';

export const MAP_FAULTS = ['cut', 'flipped', 'foreign'] as const;

/** A fresh store, and what can happen to it at rest. */
export interface SparseWorld {
  readonly store: SparseStore;
  /** Flips a byte of a present block. */
  readonly damage: (digest: Digest, block: number) => Promise<void>;
  /** A block that counts as present never became durable. */
  readonly lose: (digest: Digest, block: number) => Promise<void>;
  readonly spoilMap: (digest: Digest, how: (typeof MAP_FAULTS)[number]) => Promise<void>;
  /** Files, or objects and rows, that are there. */
  readonly count: () => Promise<number>;
  readonly close: () => Promise<void>;
}

const SIZE = 3 * BLOCK_BYTES + 1234;
const WHOLE = { start: 0, endExclusive: SIZE };
const bytes = randomBytes(SIZE);
const digest = digestOf(bytes);

/** What holds for blobs in every {@link SparseStore}. */
export function describeSparseStore(
  name: string,
  openWorld: () => Promise<SparseWorld>,
  { runs = 12 }: { readonly runs?: number } = {},
): void {
  describe(`sparse store: ${name}`, () => {
    let world: SparseWorld;
    const opened: SparseBlob[] = [];
    const openFile = async (name: Digest = digest, size = SIZE): Promise<SparseBlob> => {
      const file = await world.store.open(name, size);
      opened.push(file);
      return file;
    };
    const put = (file: SparseBlob, start: number, endExclusive: number): Promise<void> =>
      file.write(start, bytes.subarray(start, endExclusive));

    beforeEach(async () => {
      world = await openWorld();
    });
    afterEach(async () => {
      for (const file of opened.splice(0)) await file.close().catch(() => undefined);
      await world.close();
    });

    it('holds nothing at first', async () => {
      const file = await openFile();
      expect(file.size).toBe(SIZE);
      expect(file.complete).toBe(false);
      expect(file.presentBytes).toBe(0);
      expect(file.missing()).toEqual([WHOLE]);
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
      await fc.assert(
        fc.asyncProperty(fc.array(cut, { maxLength: 6 }), cut, cut, async (cuts, a, b) => {
          const file = await world.store.open(digest, SIZE);
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
        { numRuns: runs },
      );
    });

    it('fills exactly what it says is missing', async () => {
      const block = fc.nat(3);
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(block), async (blocks) => {
          const file = await world.store.open(digest, SIZE);
          for (const each of blocks)
            await put(file, each * BLOCK_BYTES, Math.min((each + 1) * BLOCK_BYTES, SIZE));
          await file.close();
          const again = await world.store.open(digest, SIZE);
          expect(again.presentBytes).toBe(file.presentBytes);
          for (const { start, endExclusive } of again.missing())
            await put(again, start, endExclusive);
          expect(again.complete).toBe(true);
          expect(await again.verify()).toBe(true);
          await again.remove();
        }),
        { numRuns: runs },
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
      await world.damage(digest, 1);
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
      await world.damage(digest, 0);
      await expect(collect(file.read({ start: 0, endExclusive: 1 }))).rejects.toMatchObject({
        code: 'corrupt',
      });
      await file.close();
      expect((await openFile()).missing()).toEqual([{ start: 0, endExclusive: BLOCK_BYTES }]);
    });

    it('treats a block that never became durable as damaged', async () => {
      const file = await openFile();
      await put(file, 0, SIZE);
      await file.close();
      for (const block of [1, 2, 3]) await world.lose(digest, block);
      const again = await openFile();
      const first = await collect(again.read({ start: 0, endExclusive: BLOCK_BYTES }));
      expect(first.equals(bytes.subarray(0, BLOCK_BYTES))).toBe(true);
      await expect(collect(again.read(WHOLE))).rejects.toMatchObject({ code: 'corrupt' });
    });

    it.each(MAP_FAULTS)('starts anew with a map that is %s', async (how) => {
      const file = await openFile();
      await put(file, 0, SIZE);
      await file.close();
      await world.spoilMap(digest, how);
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
      await expect(world.store.open(digest, -1)).rejects.toMatchObject({ code: 'invalid_name' });
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

    it('removes all of it', async () => {
      const file = await openFile();
      await put(file, 0, SIZE);
      await file.sync();
      expect(await world.count()).toBeGreaterThanOrEqual(2);
      await file.remove();
      expect(await world.count()).toBe(0);
    });

    it('stops reading when the signal fires', async () => {
      const file = await openFile();
      await put(file, 0, SIZE);
      const signal = AbortSignal.abort();
      await expect(collect(file.read(WHOLE, { signal }))).rejects.toMatchObject({
        code: 'aborted',
      });
    });

    it('takes a block again that was found damaged', async () => {
      const file = await openFile();
      await put(file, 0, SIZE);
      await world.damage(digest, 2);
      await expect(file.verify()).rejects.toMatchObject({ code: 'corrupt' });
      await put(file, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES);
      expect((await collect(file.read(WHOLE))).equals(bytes)).toBe(true);
      expect(await file.verify()).toBe(true);
    });

    it('reads parts of blocks unchecked, and tells a block that is gone', async () => {
      const file = await openFile();
      await put(file, 0, SIZE);
      const target = Buffer.alloc(100);
      const at = BLOCK_BYTES + 500;
      const count = await file.readUnchecked(target, 10, 50, at);
      expect(count).toBeGreaterThan(0);
      expect(target.subarray(10, 10 + count).equals(bytes.subarray(at, at + count))).toBe(true);
      await world.lose(digest, 3);
      const gone = file.readUnchecked(target, 0, 10, 3 * BLOCK_BYTES);
      await expect(gone).rejects.toMatchObject({ code: 'corrupt' });
      expect(file.missing()).toEqual([{ start: 3 * BLOCK_BYTES, endExclusive: SIZE }]);
    });

    it('tells of a blob that is not open what is durable of it', async () => {
      const file = await openFile();
      expect((await world.store.readMap(digest, SIZE))?.presentBytes ?? 0).toBe(0);
      await put(file, 0, BLOCK_BYTES);
      await file.sync();
      expect((await world.store.readMap(digest, SIZE))?.presentBytes).toBe(BLOCK_BYTES);
    });
  });
}
