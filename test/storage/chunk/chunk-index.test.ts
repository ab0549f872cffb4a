import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  formatChunkIndex,
  parseChunkIndex,
  type ChunkIndex,
  type IndexedChunk,
} from '../../../storage/chunk/chunk-index.ts';
import { digestOf } from '../../../storage/digest.ts';

const name = (text: string) => digestOf(Buffer.from(text));
const corrupt = expect.objectContaining({ code: 'corrupt' }) as unknown;

/** What makes a chunk: which content, a jump in the pack or none, and which pack. */
const seeds = fc.array(
  fc.record({
    content: fc.nat(40),
    gap: fc.oneof(fc.constant(0), fc.nat(2 ** 40)),
    pack: fc.nat(3),
    length: fc.integer({ min: 1, max: 1000 }),
  }),
  { maxLength: 60 },
);

/** A sound index out of any seeds. */
function indexFrom(
  list: readonly { content: number; gap: number; pack: number; length: number }[],
) {
  const order: number[] = [];
  const ends = new Map<number, number>();
  const chunks = list.map((seed): IndexedChunk => {
    if (!order.includes(seed.pack)) order.push(seed.pack);
    const offset = (ends.get(seed.pack) ?? 16) + seed.gap;
    ends.set(seed.pack, offset + seed.length);
    return {
      digest: name(`chunk ${seed.content}`),
      rawLength: 1000 + seed.content * 1000,
      pack: order.indexOf(seed.pack),
      offset,
      length: seed.length,
    };
  });
  return {
    diffId: name('layer'),
    rawSize: chunks.reduce((sum, chunk) => sum + chunk.rawLength, 0),
    packs: order.map((pack) => name(`pack ${pack}`)),
    chunks,
  } satisfies ChunkIndex;
}

const sample = indexFrom([
  { content: 1, gap: 0, pack: 0, length: 300 },
  { content: 2, gap: 0, pack: 0, length: 400 },
  { content: 3, gap: 500, pack: 1, length: 500 },
  { content: 1, gap: 7, pack: 0, length: 300 },
]);

const throwsCorrupt = (action: () => unknown): void => {
  expect(action).toThrow(expect.objectContaining({ code: 'corrupt' }) as Error);
};

describe('chunk index', () => {
  it('parse(format(x)) = x', () => {
    fc.assert(
      fc.property(seeds, (list) => {
        const index = indexFrom(list);
        expect(parseChunkIndex(formatChunkIndex(index))).toEqual(index);
      }),
    );
  });

  it('is written as LAYOUT.md says', () => {
    const hex = (text: string): string => name(text).slice('sha256:'.length);
    const expected = [
      `7276636869647801${hex('layer')}`,
      `f85502${hex('pack 0')}${hex('pack 1')}04`, // 11 000 bytes, two packs, four chunks
      `0110d00fac02${hex('chunk 1')}`, // pack 0 at 16: 2000 bytes in 300
      `00b8179003${hex('chunk 2')}`, // right behind: 3000 in 400
      `028404a01ff403${hex('chunk 3')}`, // pack 1 at 516: 4000 in 500
      `01d305d00fac02${hex('chunk 1')}`, // back to pack 0 at 723
    ];
    expect(formatChunkIndex(sample).toString('hex')).toBe(expected.join(''));
  });

  it('has exactly one form: whatever parses is what would be written', () => {
    const bytes = formatChunkIndex(sample);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (edits) => {
          const mutant = Buffer.from(bytes);
          for (const [at, value] of edits) mutant[at] = value;
          let index: ChunkIndex;
          try {
            index = parseChunkIndex(mutant);
          } catch (error) {
            expect(error).toEqual(corrupt);
            return;
          }
          expect(formatChunkIndex(index)).toEqual(mutant);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses every truncation and what follows its end', () => {
    const bytes = formatChunkIndex(sample);
    for (let length = 0; length < bytes.length; length++) {
      throwsCorrupt(() => parseChunkIndex(bytes.subarray(0, length)));
    }
    throwsCorrupt(() => parseChunkIndex(Buffer.concat([bytes, Buffer.alloc(1)])));
  });

  it('refuses counts that cannot fit before it makes room for them', () => {
    const head = formatChunkIndex(indexFrom([])).subarray(0, 40);
    for (const tail of [
      '00ffffff7f',
      '0000ffffff7f',
      '00ffffffffffffff7f',
      '00ffffffffffffffffff',
    ]) {
      throwsCorrupt(() => parseChunkIndex(Buffer.concat([head, Buffer.from(tail, 'hex')])));
    }
    throwsCorrupt(() => parseChunkIndex(Buffer.concat([head, Buffer.from('80000000', 'hex')])));
  });

  it('holds an index to its rules, read or written', () => {
    const [first, second, third, fourth] = sample.chunks;
    if (!first || !second || !third || !fourth) throw new Error('the sample has four chunks');
    const withChunks = (...chunks: IndexedChunk[]): ChunkIndex => ({
      ...sample,
      rawSize: chunks.reduce((sum, chunk) => sum + chunk.rawLength, 0),
      chunks,
    });
    const broken: ChunkIndex[] = [
      { ...sample, rawSize: sample.rawSize + 1 },
      { ...sample, packs: [...sample.packs, name('unused')] },
      { ...sample, packs: [name('same'), name('same')] },
      { ...sample, diffId: digestOf(Buffer.alloc(0), 'sha512') },
      withChunks(third, first, second, fourth),
      withChunks(first, second),
      withChunks({ ...first, pack: 2 }, second, third),
      withChunks({ ...first, rawLength: 0 }, second, third),
      withChunks({ ...first, rawLength: 2 ** 20 + 1 }, second, third),
      withChunks({ ...first, length: 0 }, second, third),
      withChunks({ ...first, length: first.rawLength + 1025 }, second, third),
      withChunks({ ...first, offset: -1 }, second, third),
      withChunks({ ...first, offset: Number.MAX_SAFE_INTEGER }, second, third),
      withChunks(first, second, third, { ...fourth, rawLength: fourth.rawLength + 1 }),
    ];
    for (const index of broken) throwsCorrupt(() => formatChunkIndex(index));
    expect(parseChunkIndex(formatChunkIndex(withChunks(first, second, third, fourth)))).toEqual(
      sample,
    );
  });
});
