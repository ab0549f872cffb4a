import fc from 'fast-check';
import { expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { ChunkCache } from '../../../storage/ostree/chunk-cache.ts';

const CACHE_BYTES = 100;

it('gives back what was put, or nothing, and always what came last', () => {
  const chunk = fc.record({
    value: fc.integer({ min: 0, max: 255 }),
    length: fc.integer({ min: 1, max: CACHE_BYTES + 5 }),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 60 }), (chunks) => {
      const cache = new ChunkCache(CACHE_BYTES);
      const put = chunks.map(({ value, length }) => Buffer.alloc(length, value));
      for (const [last, raw] of put.entries()) {
        cache.put(digestOf(raw), raw);
        let held = 0;
        for (const [n, earlier] of put.slice(0, last + 1).entries()) {
          const found = cache.get(digestOf(earlier));
          if (found === undefined) continue;
          expect(found.equals(earlier)).toBe(true);
          const isFirstOfItsKind = put.findIndex((other) => other.equals(earlier)) === n;
          if (isFirstOfItsKind) held += found.length;
        }
        expect(held).toBeLessThanOrEqual(CACHE_BYTES);
        expect(cache.get(digestOf(raw)) !== undefined).toBe(raw.length <= CACHE_BYTES);
      }
    }),
  );
});

it('forgets the oldest first', () => {
  const cache = new ChunkCache(CACHE_BYTES);
  const chunks = Array.from({ length: 5 }, (_, n) => Buffer.alloc(30, n));
  for (const chunk of chunks) cache.put(digestOf(chunk), chunk);
  const held = chunks.map((chunk) => cache.get(digestOf(chunk)) !== undefined);
  expect(held).toEqual([false, false, true, true, true]);
});
