import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  chunkStream,
  createCut,
  MAX_CHUNK_BYTES,
  MIN_CHUNK_BYTES,
} from '../../../storage/chunk/fastcdc.ts';
import { digestOf } from '../../../storage/digest.ts';
import { noise, pieces, readable, text } from './material.ts';

async function chunks(bytes: Buffer, sizes?: readonly number[]): Promise<readonly Buffer[]> {
  const out: Buffer[] = [];
  for await (const chunk of chunkStream(readable(bytes, sizes))) out.push(chunk);
  return out;
}

const lengths = (parts: readonly Buffer[]): number[] => parts.map((part) => part.length);

describe('chunkStream', () => {
  it('cuts where it always did (LAYOUT.md, "Chunks")', async () => {
    expect(lengths(await chunks(noise(1_000_000, 'golden')))).toEqual([
      97_691, 81_748, 40_832, 33_554, 30_087, 67_548, 72_648, 72_580, 82_915, 27_509, 91_160,
      90_453, 90_078, 66_103, 27_035, 28_059,
    ]);
    expect(lengths(await chunks(Buffer.alloc(600_000)))).toEqual([262_144, 262_144, 75_712]);
  });

  it('cuts after the byte that the format names', () => {
    // An independent reading of LAYOUT.md, byte by byte over the last 32 bytes.
    const bytes = noise(400_000, 'spec');
    const gear = (byte: number): number =>
      Buffer.from(digestOf(Buffer.of(byte)).slice(7), 'hex').readUInt32LE(0);
    let hash = 0n;
    let expected = MAX_CHUNK_BYTES;
    for (let at = MIN_CHUNK_BYTES; at < MAX_CHUNK_BYTES; at++) {
      hash = (hash * 2n + BigInt(gear(bytes[at] ?? 0))) % 2n ** 32n;
      const zeros = at < 65_536 ? 18n : 14n;
      if (hash >> (32n - zeros) !== 0n) continue;
      expected = at + 1;
      break;
    }
    expect(createCut()(bytes, 0, bytes.length)).toBe(expected);
  });

  it('joins to its input within the bounds, however the input arrives', async () => {
    const base = Buffer.concat([noise(700_000, 'seg'), Buffer.alloc(300_000), text(9000, 'seg')]);
    const reference = lengths(await chunks(base, [base.length]));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 12 }),
        async (sizes) => {
          const parts = await chunks(base, sizes);
          expect(Buffer.concat(parts).equals(base)).toBe(true);
          expect(lengths(parts)).toEqual(reference);
        },
      ),
      { numRuns: 30 },
    );
    expect(reference.slice(0, -1).every((n) => n >= MIN_CHUNK_BYTES && n <= MAX_CHUNK_BYTES)).toBe(
      true,
    );
  });

  it('takes any length at the edges of its sizes, and empty pieces', async () => {
    for (const length of [0, 1, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1, MAX_CHUNK_BYTES, 2 ** 20]) {
      for (const delta of [-1, 0, 1]) {
        if (length + delta < 0) continue;
        const bytes = noise(length + delta, 'edge');
        expect(Buffer.concat(await chunks(bytes, [7777])).equals(bytes)).toBe(true);
      }
    }
    async function* gaps(): AsyncIterable<Uint8Array> {
      for (const part of pieces(noise(50_000, 'gap'), [1000])) {
        yield Buffer.alloc(0);
        yield await Promise.resolve(part);
      }
    }
    const out: Buffer[] = [];
    for await (const chunk of chunkStream(gaps())) out.push(chunk);
    expect(Buffer.concat(out).equals(noise(50_000, 'gap'))).toBe(true);
  });

  it('finds its cut points again after an insertion', async () => {
    const old = noise(3_000_000, 'shift');
    const changed = Buffer.concat([
      old.subarray(0, 1_000_000),
      Buffer.from('inserted'),
      old.subarray(1_000_000),
    ]);
    const known = new Set((await chunks(old)).map((chunk) => digestOf(chunk)));
    const fresh = (await chunks(changed)).filter((chunk) => !known.has(digestOf(chunk)));
    expect(fresh.length).toBeGreaterThan(0);
    expect(fresh.length).toBeLessThanOrEqual(3);
  });
});
