import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { chunkStream, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '../../../storage/chunk/fastcdc.ts';
import { chunkTar } from '../../../storage/chunk/tar-chunks.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { noise, pieces, tar, text } from './material.ts';

async function* source(bytes: Buffer, sizes: readonly number[] = [65_536]): AsyncIterable<Buffer> {
  for (const piece of pieces(bytes, sizes)) yield await Promise.resolve(piece);
}

async function chunksOf(bytes: Buffer, sizes?: readonly number[]): Promise<Buffer[]> {
  const out: Buffer[] = [];
  for await (const chunk of chunkTar(source(bytes, sizes))) out.push(Buffer.from(chunk));
  return out;
}

async function namesOf(bytes: Buffer): Promise<ReadonlySet<Digest>> {
  return new Set((await chunksOf(bytes)).map((chunk) => digestOf(chunk)));
}

async function cutAlone(content: Buffer): Promise<readonly Digest[]> {
  const names: Digest[] = [];
  for await (const chunk of chunkStream(source(content))) names.push(digestOf(chunk));
  return names;
}

describe('chunkTar', () => {
  const large = noise(700_000, 'large');
  const layer = tar({
    'a/small': text(20, 'small'),
    'a/large': large,
    'b/edge': noise(MIN_CHUNK_BYTES, 'edge'),
    'b/below': noise(MIN_CHUNK_BYTES - 1, 'below'),
    'c/last': noise(50_000, 'last'),
  });

  it('cuts a file of the smallest chunk or more as if it were alone', async () => {
    const names = await namesOf(layer);
    for (const content of [large, noise(MIN_CHUNK_BYTES, 'edge'), noise(50_000, 'last')]) {
      for (const name of await cutAlone(content)) expect(names).toContain(name);
    }
    expect(names).not.toContain(digestOf(noise(MIN_CHUNK_BYTES - 1, 'below')));
  });

  it('adds nothing for files that stay when their neighbours, their order and their headers change', async () => {
    const other = tar({
      'x/first': noise(333, 'first'),
      'y/last-renamed': noise(50_000, 'last'),
      'z/large-elsewhere': large,
    });
    const known = await namesOf(layer);
    const fresh = (await chunksOf(other)).filter((chunk) => !known.has(digestOf(chunk)));
    expect(fresh.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(6000);
  });

  it('makes the same chunks however the bytes arrive, and of any bytes', async () => {
    const expected = (await chunksOf(layer)).map((chunk) => chunk.length);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 4 }),
        async (sizes) => {
          expect((await chunksOf(layer, sizes)).map((chunk) => chunk.length)).toEqual(expected);
        },
      ),
      { numRuns: 15 },
    );
    // A header that says more than follows, and bytes behind an end.
    for (const bytes of [layer.subarray(0, 300_000), Buffer.concat([layer, noise(400_000, 'x')])]) {
      const chunks = await chunksOf(bytes);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      expect(chunks.every(({ length }) => length <= MAX_CHUNK_BYTES)).toBe(true);
    }
  });
});
