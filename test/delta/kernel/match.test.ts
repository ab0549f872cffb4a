import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { concat, deBruijn, fibonacci, noise, period, shuffle, sprinkle } from './match-inputs.ts';
import { type Block, Matcher } from './match-session.ts';

let matcher: Matcher;
beforeAll(() => {
  matcher = new Matcher();
});

/** New bytes that are not copied, or copied wrongly; throws if the blocks are not as promised. */
function wrongBytes(old: Uint8Array, fresh: Uint8Array, blocks: readonly Block[]): number {
  let copied = 0;
  let end = 0;
  for (const block of blocks) {
    if (block.length === 0 || block.fresh < end) throw new Error('empty or overlapping block');
    end = block.fresh + block.length;
    if (end > fresh.length) throw new Error('block outside the new bytes');
    if (block.old + block.length > old.length) throw new Error('block outside the old bytes');
    for (let k = 0; k < block.length; k++) {
      if (old[block.old + k] === fresh[block.fresh + k]) copied++;
    }
  }
  return fresh.length - copied;
}

/** New bytes = pieces of the old ones and others, in any order, with small changes. */
const pairs = fc
  .record({
    size: fc.integer({ min: 0, max: 6000 }),
    values: fc.constantFrom(1, 2, 4, 256),
    seed: fc.integer({ min: 1, max: 1e6 }),
    pieces: fc.array(
      fc.record({
        from: fc.double({ min: 0, max: 1, noNaN: true }),
        length: fc.integer({ min: 0, max: 900 }),
        kind: fc.constantFrom('old', 'old', 'changed', 'new'),
      }),
      { maxLength: 12 },
    ),
  })
  .map(({ size, values, seed, pieces }) => {
    const old = noise(size, seed, values);
    const parts = pieces.map(({ from, length, kind }, k) => {
      const at = Math.floor(from * size);
      const piece = old.subarray(at, at + length);
      if (kind === 'old') return piece;
      return kind === 'new' ? noise(length, seed + k + 1, values) : sprinkle(piece, 20, seed + k);
    });
    return { old, fresh: concat(...parts) };
  });

describe('matchBytes', () => {
  it('gives blocks inside both inputs, in order, and the same ones again', () => {
    fc.assert(
      fc.property(pairs, ({ old, fresh }) => {
        const first = matcher.match(old, fresh);
        wrongBytes(old, fresh, first);
        const later = matcher.match(old, fresh, { hints: first });
        expect(matcher.kept).toBe(Math.ceil((12 * later.length) / 16) * 16);
        const joined = matcher.join(later, old, fresh);
        wrongBytes(old, fresh, joined);
        expect(joined.length).toBeLessThanOrEqual(later.length);
        expect(matcher.match(old, fresh, { hints: first })).toEqual(later);
      }),
      { numRuns: 300 },
    );
  });

  it('does not look behind the inputs', () => {
    fc.assert(
      fc.property(pairs, fc.integer({ min: 1, max: 200 }), ({ old, fresh }, more) => {
        const whole = concat(fresh, old.subarray(0, more));
        const cut = whole.subarray(0, fresh.length);
        for (const hints of [undefined, matcher.match(old, fresh)]) {
          const options = hints === undefined ? {} : { hints };
          const alone = matcher.match(old, cut, options);
          const guards = [whole.subarray(fresh.length), new Uint8Array(256), noise(256, more)];
          for (const guard of guards) {
            expect(matcher.match(old, cut, { ...options, guard })).toEqual(alone);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each([0, 1, 7, 8, 9, 31, 32, 33, 48])('takes inputs of %i bytes', (bytes) => {
    const text = noise(bytes, 5);
    for (const other of [new Uint8Array(0), noise(1, 1), noise(100, 3), text]) {
      wrongBytes(text, other, matcher.align(text, other));
      wrongBytes(other, text, matcher.align(other, text));
    }
    expect(wrongBytes(text, text, matcher.align(text, text))).toBe(0);
  });

  it('passes over hints outside the inputs', () => {
    const text = noise(4000, 8);
    const hints = [
      { fresh: 0, old: 3900, length: 200 },
      { fresh: 3000, old: 10, length: 0xfffffff0 },
    ];
    expect(wrongBytes(text, text, matcher.match(text, text, { hints }))).toBe(0);
  });

  it('follows pieces in any order', () => {
    const old = noise(200_000, 11);
    const fresh = shuffle(old, 1000, 12);
    const blocks = matcher.align(old, fresh);
    expect(wrongBytes(old, fresh, blocks)).toBe(0);
    expect(blocks.length).toBeLessThanOrEqual(200);
  });

  it('finds short pieces in a later pass', () => {
    const old = noise(100_000, 13);
    const fresh = shuffle(old, 50, 14);
    expect(wrongBytes(old, fresh, matcher.align(old, fresh))).toBeLessThan(fresh.length / 100);
  });

  it('keeps to one diagonal through scattered changes', () => {
    const old = noise(50_000, 15);
    const fresh = sprinkle(old, 12, 16);
    expect(matcher.align(old, fresh)).toEqual([{ fresh: 0, old: 0, length: 50_000 }]);
  });

  it('finds an insertion to the byte', () => {
    const old = noise(30_000, 17);
    const fresh = concat(old.subarray(0, 12_345), noise(77, 18), old.subarray(12_345));
    const blocks = matcher.align(old, fresh);
    expect(wrongBytes(old, fresh, blocks)).toBeLessThanOrEqual(77);
    expect(blocks.at(-1)).toMatchObject({ fresh: 12_345 + 77, old: 12_345 });
  });

  it('leaves a diagonal whose differences are few and alike for the one without', () => {
    const records = (indices: readonly number[]): Uint8Array => {
      const view = new DataView(new ArrayBuffer(24 * indices.length));
      indices.forEach((index, k) => {
        view.setUint32(24 * k + 8, 7, true);
        view.setUint32(24 * k + 12, index, true);
      });
      return new Uint8Array(view.buffer);
    };
    const indices = Array.from({ length: 2000 }, (_, k) => 2 * k + 100);
    const old = concat(noise(500, 19), records(indices), noise(500, 20));
    const inserted = indices.toSpliced(700, 0, 60_000);
    const fresh = concat(noise(500, 19), records(inserted), noise(500, 20));
    expect(wrongBytes(old, fresh, matcher.align(old, fresh))).toBeLessThan(10);
  });

  it('puts borders where moved functions begin', () => {
    const start = Uint8Array.of(0x55, 0x48, 0x89, 0xe5, 0x41, 0x57);
    const end = Uint8Array.of(0x5d, 0xc3, 0x90, 0x90);
    const old = concat(
      ...Array.from({ length: 60 }, (_, k) => concat(start, noise(150, 100 + k), end)),
    );
    const blocks = matcher.align(old, shuffle(old, 160, 21));
    expect(blocks.length).toBeGreaterThan(40);
    for (const { fresh } of blocks) expect(fresh % 160).toBe(0);
  });

  it('keeps to its memory when there are more blocks than it holds', () => {
    const old = noise(3_000_000, 22);
    const fresh = shuffle(old, 12, 23);
    const blocks = matcher.match(old, fresh, { hints: [] });
    expect(wrongBytes(old, fresh, blocks)).toBeLessThan(fresh.length);
    expect(blocks.length).toBeLessThanOrEqual((1 << 16) + (old.length + fresh.length) / 64);
  });

  describe('near-linear on', () => {
    const BYTES = 1 << 18;
    const page = noise(4096, 30);
    const inputs: readonly (readonly [string, Uint8Array])[] = [
      ['zeros', new Uint8Array(BYTES)],
      ...[2, 3, 5, 7, 8, 16, 31, 255, 300].map(
        (of) => [`period ${of}`, period(BYTES, of)] as const,
      ),
      ['a Fibonacci string', fibonacci(BYTES)],
      ['a de Bruijn sequence', deBruijn(BYTES)],
      ['bits', noise(BYTES, 31, 2)],
      ['noise', noise(BYTES, 32)],
      ['one page, often', concat(...Array.from({ length: BYTES / 4096 }, () => page))],
    ];

    it.each(inputs)('%s', (_, old) => {
      const others = [
        old,
        sprinkle(old, 10, 33),
        sprinkle(old, 40, 34),
        shuffle(old, 100, 35),
        shuffle(old, 1000, 36),
        noise(BYTES, 37),
        noise(BYTES, 38, 2),
        period(BYTES, 9),
      ];
      for (const fresh of others) {
        matcher.ticks = 0;
        wrongBytes(old, fresh, matcher.align(old, fresh));
        // 256 units of work for a byte in each pass, most of it the lookups of one decision.
        expect(matcher.ticks).toBeLessThan((2 * 256 * BYTES) / 2 ** 20);
      }
    });
  });
});

describe('joinBlocks', () => {
  const old = noise(3000, 40);

  it('joins blocks of one shift over a few differences', () => {
    const fresh = old.slice();
    fresh[1000] = (fresh[1000] ?? 0) ^ 1;
    const blocks = [
      { fresh: 0, old: 0, length: 1000 },
      { fresh: 1002, old: 1002, length: 1998 },
    ];
    expect(matcher.join(blocks, old, fresh)).toEqual([{ fresh: 0, old: 0, length: 3000 }]);
  });

  it('leaves blocks apart when all between differs', () => {
    const fresh = concat(old.subarray(0, 1000), noise(100, 41), old.subarray(1100));
    const blocks = [
      { fresh: 0, old: 0, length: 1000 },
      { fresh: 1100, old: 1100, length: 1900 },
    ];
    expect(matcher.join(blocks, old, fresh)).toEqual(blocks);
  });

  it('drops a block that saves less than it costs, and joins what it parted', () => {
    const fresh = concat(old.subarray(0, 1000), old.subarray(2000, 2008), noise(200, 42));
    const long = { fresh: 0, old: 0, length: 1000 };
    const short = { fresh: 1000, old: 2000, length: 8 };
    expect(matcher.join([long, short], old, fresh)).toEqual([long]);
    const mended = old.slice();
    mended.set(old.subarray(2000, 2004), 1000);
    const parts = [long, { ...short, length: 4 }, { fresh: 1004, old: 1004, length: 1996 }];
    expect(matcher.join(parts, old, mended)).toEqual([{ fresh: 0, old: 0, length: 3000 }]);
  });
});
