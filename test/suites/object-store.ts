import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate as tick } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf, parseDigest, type Digest } from '../../storage/digest.ts';
import {
  blobKey,
  BLOBS_PREFIX,
  parseUploadId,
  uploadPartKey,
  uploadPrefix,
  type ObjectKey,
} from '../../storage/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** A second store over the same bytes, as another process would open it. */
  another(): Promise<ObjectStore>;
  close(): Promise<void>;
}

export interface SuiteOptions {
  /** Bytes of the large object: enough for the driver to leave its path for small ones. */
  readonly largeBytes: number;
}

/** What every object store must do; run once for each driver. */
export function describeObjectStore(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { largeBytes }: SuiteOptions,
): void {
  describe(`object store: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: ObjectStore;

    beforeAll(async () => {
      subject = await open();
      ({ store } = subject);
    });
    afterAll(async () => {
      await subject.close();
    });

    it('gives back what was put, with its facts', async () => {
      const { bytes, key, digest } = blob(1000);
      const before = Date.now();
      expect(await store.put(key, pieces(bytes, 7), { expected: { digest, size: 1000 } })).toEqual({
        size: 1000,
        created: true,
      });
      expect(await read(store, key)).toEqual(bytes);
      const facts = await store.stat(key);
      expect(facts?.size).toBe(1000);
      expect(Math.abs((facts?.modifiedMs ?? 0) - before)).toBeLessThan(60_000);
    });

    it('stores empty objects', async () => {
      const id = uploadId();
      const key = uploadPartKey(id, 0, nonce());
      expect(await store.put(key, [])).toEqual({ size: 0, created: true });
      expect((await store.stat(key))?.size).toBe(0);
      expect(await read(store, key)).toEqual(Buffer.alloc(0));
    });

    it('stores and checks sha512', async () => {
      const bytes = randomBytes(5000);
      const digest = digestOf(bytes, 'sha512');
      await store.put(blobKey(digest), [bytes], { expected: { digest } });
      expect(await read(store, blobKey(digest))).toEqual(bytes);
    });

    it('stores large objects and reads ranges from them', async () => {
      const { bytes, key, digest } = blob(largeBytes);
      await store.put(key, pieces(bytes, 1_000_003), { expected: { digest, size: largeBytes } });
      expect((await store.stat(key))?.size).toBe(largeBytes);
      expect(sha(await read(store, key))).toBe(sha(bytes));
      const range = { start: largeBytes - 70_001, endExclusive: largeBytes - 1 };
      expect(sha(await read(store, key, range))).toBe(
        sha(bytes.subarray(range.start, range.endExclusive)),
      );
    });

    it('never shares memory with the caller', async () => {
      const { bytes, key } = blob(50);
      const lent = Buffer.from(bytes);
      await store.put(key, [lent]);
      lent.fill(0);
      (await read(store, key)).fill(1);
      expect(await read(store, key)).toEqual(bytes);
    });

    it('keeps the first object under a key and does not read the second source', async () => {
      const { bytes, key } = blob(10);
      await store.put(key, [bytes]);
      let touched = false;
      const source = (function* () {
        touched = true;
        yield Buffer.from('other bytes');
      })();
      expect(await store.put(key, source)).toEqual({ size: 10, created: false });
      expect(touched).toBe(false);
      expect(await read(store, key)).toEqual(bytes);
    });

    it('lets puts of one key at once all succeed', async () => {
      const { bytes, key, digest } = blob(300_000);
      const other = await subject.another();
      const results = await Promise.all(
        [store, other, store, other].map((each) =>
          each.put(key, pieces(bytes, 1000), { expected: { digest } }),
        ),
      );
      expect(results.map(({ size }) => size)).toEqual([300_000, 300_000, 300_000, 300_000]);
      expect(results.some(({ created }) => created)).toBe(true);
      expect(sha(await read(other, key))).toBe(sha(bytes));
      expect(await keysOf(store, key)).toEqual([key]);
    });

    it('shows nothing while bytes arrive', async () => {
      const { bytes, key } = blob(2000);
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const source = (async function* () {
        yield bytes.subarray(0, 1000);
        await held;
        yield bytes.subarray(1000);
      })();
      const put = store.put(key, source);
      await tick();
      expect(await store.stat(key)).toBeUndefined();
      expect(await keysOf(store, key)).toEqual([]);
      release();
      await put;
      expect(await keysOf(store, key)).toEqual([key]);
    });

    it.each([
      ['a lying digest', (digest: Digest) => ({ digest: flip(digest) }), 'digest_mismatch'],
      [
        'a lying sha512',
        () => ({ digest: parseDigest(`sha512:${'0'.repeat(128)}`) }),
        'digest_mismatch',
      ],
      ['too few bytes', () => ({ size: 3001 }), 'size_mismatch'],
      ['too many bytes', () => ({ size: 2999 }), 'size_mismatch'],
      ['bytes where none were promised', () => ({ size: 0 }), 'size_mismatch'],
    ])('leaves nothing of %s', async (_name, expected, code) => {
      const { bytes, key, digest } = blob(3000);
      await expect(
        store.put(key, pieces(bytes, 999), { expected: expected(digest) }),
      ).rejects.toMatchObject({ code });
      expect(await store.stat(key)).toBeUndefined();
      await store.put(key, [bytes], { expected: { digest } });
      expect(await read(store, key)).toEqual(bytes);
    });

    it('leaves nothing of a large lie', async () => {
      const { bytes, key, digest } = blob(largeBytes);
      await expect(
        store.put(key, pieces(bytes, 1_000_003), { expected: { digest: flip(digest) } }),
      ).rejects.toMatchObject({ code: 'digest_mismatch' });
      expect(await store.stat(key)).toBeUndefined();
    });

    it('passes on the error of a source and leaves nothing', async () => {
      const { bytes, key } = blob(3000);
      const source = (function* () {
        yield bytes.subarray(0, 1000);
        throw new RangeError('the client is gone');
      })();
      await expect(store.put(key, source)).rejects.toThrow(RangeError);
      expect(await store.stat(key)).toBeUndefined();
    });

    it('stops a put whose source hangs when the signal fires', async () => {
      const { bytes, key } = blob(3000);
      const abort = new AbortController();
      const source = (async function* () {
        yield bytes;
        await new Promise(() => undefined);
      })();
      const put = store.put(key, source, { signal: abort.signal });
      setTimeout(() => {
        abort.abort();
      }, 20);
      await expect(put).rejects.toMatchObject({ code: 'aborted' });
      expect(await store.stat(key)).toBeUndefined();
    });

    it('does nothing for a signal that has fired', async () => {
      const { bytes, key } = blob(10);
      const signal = AbortSignal.abort();
      await expect(store.put(key, [bytes], { signal })).rejects.toMatchObject({ code: 'aborted' });
      await expect(store.open(key, { signal })).rejects.toMatchObject({ code: 'aborted' });
    });

    it('ends a stream when the signal fires', async () => {
      const { bytes, key } = blob(largeBytes);
      await store.put(key, [bytes]);
      const abort = new AbortController();
      const stream = await store.open(key, { signal: abort.signal });
      let seen = 0;
      const reading = (async () => {
        for await (const piece of stream) {
          seen += (piece as Buffer).length;
          abort.abort();
        }
      })();
      await expect(reading).rejects.toMatchObject({ code: 'aborted' });
      expect(seen).toBeLessThan(largeBytes);
    });

    it('says missing for what is not there, and only for that', async () => {
      const { key } = blob(10);
      expect(await store.stat(key)).toBeUndefined();
      await expect(store.open(key)).rejects.toMatchObject({ code: 'missing' });
      await expect(store.open(key, { range: { start: 0, endExclusive: 1 } })).rejects.toMatchObject(
        { code: 'missing' },
      );
      await expect(store.move(key, blob(10).key)).rejects.toMatchObject({ code: 'missing' });
    });

    it('refuses ranges outside the object', async () => {
      const { bytes, key } = blob(100);
      await store.put(key, [bytes]);
      for (const [start, endExclusive] of [
        [0, 101],
        [99, 101],
        [100, 101],
        [50, 50],
        [51, 50],
        [-1, 5],
        [0.5, 5],
        [0, Number.MAX_SAFE_INTEGER],
      ] as const) {
        await expect(store.open(key, { range: { start, endExclusive } })).rejects.toMatchObject({
          code: 'range_unsatisfiable',
        });
      }
    });

    it('reads any range as the slice of it', async () => {
      const { bytes, key } = blob(70_000);
      await store.put(key, [bytes]);
      const range = fc
        .tuple(fc.nat(69_999), fc.nat(69_999))
        .map(([a, b]) => ({ start: Math.min(a, b), endExclusive: Math.max(a, b) + 1 }));
      await fc.assert(
        fc.asyncProperty(range, async ({ start, endExclusive }) => {
          expect(
            (await read(store, key, { start, endExclusive })).equals(
              bytes.subarray(start, endExclusive),
            ),
          ).toBe(true);
        }),
        { numRuns: 40 },
      );
    });

    it('stores any pieces as their concatenation', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
          async (list) => {
            const key = uploadPartKey(uploadId(), 0, nonce());
            await store.put(key, list);
            expect((await read(store, key)).equals(Buffer.concat(list))).toBe(true);
            await store.delete(key);
          },
        ),
        { numRuns: 15 },
      );
    });

    it('gives up a stream in the middle', async () => {
      const { bytes, key } = blob(largeBytes);
      await store.put(key, [bytes]);
      const stream = await store.open(key);
      for await (const piece of stream) {
        expect((piece as Buffer).length).toBeGreaterThan(0);
        break;
      }
      expect(stream.destroyed).toBe(true);
      expect(sha(await read(store, key))).toBe(sha(bytes));
    });

    it('lists by prefix', async () => {
      const id = uploadId();
      const keys = [0, 5, 1000].map((offset) => uploadPartKey(id, offset, nonce()));
      for (const [index, key] of keys.entries()) await store.put(key, [Buffer.alloc(index + 1)]);
      const entries: unknown[] = [];
      for await (const { key, size } of store.list(uploadPrefix(id))) entries.push({ key, size });
      expect(entries).toHaveLength(3);
      expect(entries).toEqual(
        expect.arrayContaining(keys.map((key, index) => ({ key, size: index + 1 }))),
      );
      expect((await keysOf(store, `${uploadPrefix(id)}0000000000001`)).length).toBe(1);
      const blobs = await keysOf(store, BLOBS_PREFIX);
      expect(blobs.length).toBeGreaterThan(0);
      expect(blobs.every((key) => key.startsWith(BLOBS_PREFIX))).toBe(true);
      expect(await keysOf(store, 'tmp')).toEqual([]);
      expect(await keysOf(store, '../')).toEqual([]);
    });

    it('deletes, twice if asked', async () => {
      const { bytes, key } = blob(10);
      await store.put(key, [bytes]);
      await store.delete(key);
      expect(await store.stat(key)).toBeUndefined();
      expect(await keysOf(store, key)).toEqual([]);
      await store.delete(key);
      expect((await store.put(key, [bytes])).created).toBe(true);
    });

    it('moves, and keeps a target that is there', async () => {
      const { bytes, key } = blob(1234);
      const [first, second] = [
        uploadPartKey(uploadId(), 0, nonce()),
        uploadPartKey(uploadId(), 0, nonce()),
      ];
      await store.put(first, [bytes]);
      await store.move(first, key);
      expect(await store.stat(first)).toBeUndefined();
      expect(await read(store, key)).toEqual(bytes);
      await store.put(second, [Buffer.from('would be the same bytes in real life')]);
      await store.move(second, key);
      expect(await store.stat(second)).toBeUndefined();
      expect(await read(store, key)).toEqual(bytes);
      // The source is gone but the target is there: another process did it.
      await store.move(first, key);
    });

    it.each([
      '../x',
      'blobs/../../etc',
      '/etc/passwd',
      'blobs/sha256//x',
      'blobs/sha256/aa/\0',
      'tmp/x',
      'blobs/sha256/a\n',
    ])('never follows the key %j', async (text) => {
      const key = text as ObjectKey;
      await expect(store.put(key, [Buffer.from('x')])).rejects.toMatchObject({
        code: 'invalid_name',
      });
      await expect(store.open(key)).rejects.toMatchObject({ code: 'invalid_name' });
      await expect(store.stat(key)).rejects.toMatchObject({ code: 'invalid_name' });
      await expect(store.delete(key)).rejects.toMatchObject({ code: 'invalid_name' });
    });
  });
}

/** Random bytes and what they are called. */
export function blob(size: number): {
  readonly bytes: Buffer;
  readonly key: ObjectKey;
  readonly digest: Digest;
} {
  const bytes = randomBytes(size);
  const digest = digestOf(bytes);
  return { bytes, digest, key: blobKey(digest) };
}

export async function read(
  store: ObjectStore,
  key: ObjectKey,
  range?: { readonly start: number; readonly endExclusive: number },
): Promise<Buffer> {
  return collect(await store.open(key, { range }));
}

export async function collect(stream: Readable | AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function keysOf(store: ObjectStore, prefix: string): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

function uploadId(): ReturnType<typeof parseUploadId> {
  return parseUploadId(randomBytes(16).toString('hex'));
}

function nonce(): string {
  return randomBytes(8).toString('hex');
}

function flip(digest: Digest): Digest {
  return parseDigest(digest.slice(0, -1) + (digest.endsWith('0') ? '1' : '0'));
}

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
