import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bsdiffBytes, formatBsdiff } from '../../../../delta/ostree/static-delta/bsdiff-stream.ts';
import { bspatch } from '../../../../delta/ostree/static-delta/bspatch.ts';
import { joinSegments } from '../../../../delta/ostree/static-delta/join-segments.ts';
import { DeltaKernel } from '../../../../delta/ostree/static-delta/build/delta-kernel.ts';
import { KernelMatcher } from '../../../../delta/ostree/static-delta/match/kernel-matcher.ts';
import type { Segment } from '../../../../delta/ostree/static-delta/segment.ts';
import { BufferAccess } from '../../../../storage/random-access.ts';
import { noise, prose } from '../../support.ts';
import { codeOf, rejectionOf } from '../code-of.ts';
import { collect } from '../collect.ts';

const matcher = new KernelMatcher(await DeltaKernel.compile());

function patched(stream: Buffer, old: Buffer, newBytes: number): Promise<Buffer> {
  return collect(
    bspatch({
      stream: new BufferAccess(stream),
      source: new BufferAccess(old),
      newBytes,
      what: 'a file',
    }),
  );
}

/** Checks the contract of segments, and returns how many new bytes they cover. */
function covered(segments: readonly Segment[], old: Uint8Array): number {
  for (const { oldOffset, diffLength, extraLength } of segments) {
    expect(Math.min(oldOffset, diffLength, extraLength)).toBeGreaterThanOrEqual(0);
    expect(oldOffset + diffLength).toBeLessThanOrEqual(old.length);
  }
  return segments.reduce((total, s) => total + s.diffLength + s.extraLength, 0);
}

/** Old bytes and new ones that are made of stretches of them, edited, and of others. */
const pairs = fc
  .record({
    old: fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.array(fc.constantFrom(0, 1, 255), { maxLength: 3000 }).map((a) => Uint8Array.from(a)),
    ),
    steps: fc.array(
      fc.oneof(
        fc.record({ start: fc.nat(2999), length: fc.nat(1500), add: fc.constantFrom(0, 0, 7) }),
        fc.uint8Array({ maxLength: 200 }),
      ),
      { maxLength: 8 },
    ),
  })
  .map(({ old, steps }) => {
    const pieces = steps.map((step) => {
      if (step instanceof Uint8Array) return step;
      return old
        .slice(step.start, step.start + step.length)
        .map((byte, i) => (i % 9 === 0 ? byte + step.add : byte));
    });
    return { old: Buffer.from(old), fresh: Buffer.concat(pieces) };
  });

describe('a bsdiff stream', () => {
  it('has numbers of sign and magnitude', () => {
    const old = Buffer.from('abcdef');
    const fresh = Buffer.from('bcdXabc');
    const segments = [
      { oldOffset: 1, diffLength: 3, extraLength: 1 },
      { oldOffset: 0, diffLength: 3, extraLength: 0 },
    ];
    const stream = formatBsdiff(old, fresh, segments);
    expect(stream.toString('hex')).toBe(
      [
        '0300000000000000' + '0100000000000000' + '0400000000000080',
        '000000' + '58',
        '0300000000000000' + '0000000000000000' + '0000000000000000',
        '000000',
      ].join(''),
    );
    expect(bsdiffBytes(segments)).toBe(stream.length);
  });

  it('makes the new bytes of the old ones, whatever the matcher found', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, fc.nat(60), async ({ old, fresh }, price) => {
        const segments = matcher.match(old, fresh);
        expect(covered(segments, old)).toBe(fresh.length);
        // A stream begins at the first old byte.
        const joined = joinSegments(old, fresh, segments, price);
        expect(covered(joined, old)).toBe(fresh.length);
        for (const list of [segments, joined]) {
          const stream = formatBsdiff(old, fresh, list);
          expect((await patched(stream, old, fresh.length)).equals(fresh)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is made of few segments where that is asked for', () => {
    const old = Buffer.concat([noise(1000, 1), noise(20, 2), noise(1000, 3)]);
    const fresh = Buffer.from(old);
    fresh.copy(fresh, 500, 1000, 1020);
    const segments = [
      { oldOffset: 0, diffLength: 500, extraLength: 0 },
      { oldOffset: 1000, diffLength: 20, extraLength: 0 },
      { oldOffset: 520, diffLength: 1500, extraLength: 0 },
    ];
    expect(joinSegments(old, fresh, segments, 10)).toEqual(segments);
    expect(joinSegments(old, fresh, segments, 24)).toEqual([
      { oldOffset: 0, diffLength: 2020, extraLength: 0 },
    ]);
  });

  it('reads old bytes out of range as zeros', async () => {
    const segments = [{ oldOffset: 0, diffLength: 0, extraLength: 2 }];
    const stream = Buffer.concat([
      formatBsdiff(Buffer.alloc(0), Buffer.from('ab'), segments, -2),
      formatBsdiff(Buffer.alloc(5), Buffer.from('cdefg'), [
        { oldOffset: 0, diffLength: 5, extraLength: 0 },
      ]),
    ]);
    // Two before the old bytes, two of them, one after.
    const made = await patched(stream, Buffer.of(1, 2), 7);
    expect(made.toString()).toBe('abcdfhg');
  });

  it('is refused when it lies', async () => {
    const number = (value: bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes;
    };
    const triple = (...values: readonly bigint[]): Buffer => Buffer.concat(values.map(number));
    const sign = 2n ** 63n;
    const lies: readonly Buffer[] = [
      Buffer.alloc(0),
      Buffer.alloc(23),
      triple(10n, 0n, 0n),
      triple(0n, 10n, 0n),
      triple(11n, 0n, 0n),
      triple(sign + 1n, 11n, 0n),
      triple(0n, sign + 1n, 0n),
      triple(2n ** 53n, 0n, 0n),
      triple(0n, 0n, 2n ** 53n),
      Buffer.concat([triple(0n, 10n, 0n), Buffer.alloc(11)]),
      Buffer.concat(Array.from({ length: 5 }, () => triple(0n, 0n, 2n ** 52n))),
    ];
    for (const stream of lies) {
      const fault = await rejectionOf(patched(stream, Buffer.alloc(20), 10));
      expect(fault.code).toBe('bad_format');
    }
  });

  it('with flipped bytes is refused or makes as many bytes', async () => {
    const old = prose(2000, 1);
    const fresh = Buffer.concat([old.subarray(900), old.subarray(0, 800), prose(50, 2)]);
    const stream = formatBsdiff(old, fresh, matcher.match(old, fresh));
    for (let at = 0; at < stream.length; at += 1) {
      const broken = Buffer.from(stream);
      broken[at] = (broken[at] ?? 0) ^ (at % 2 === 0 ? 0x80 : 0x01);
      try {
        expect(await patched(broken, old, fresh.length)).toHaveLength(fresh.length);
      } catch (error) {
        expect(codeOf(error)).toBe('bad_format');
      }
    }
  });
});

describe('the matcher', () => {
  it('goes on behind a long stretch that is new', () => {
    const [head, tail] = [noise(1_000_000, 1), noise(1_500_000, 2)];
    const old = Buffer.concat([head, noise(2_500_000, 3), tail]);
    const fresh = Buffer.concat([head, noise(2_500_000, 4), tail]);
    const segments = matcher.match(old, fresh);
    const extra = segments.reduce((total, { extraLength }) => total + extraLength, 0);
    expect(covered(segments, old)).toBe(fresh.length);
    expect(extra).toBeLessThan(2_501_000);
  });

  it('finds moved stretches, and follows what changed a little', () => {
    const [a, b] = [noise(20_000, 1), noise(20_000, 2)];
    const old = Buffer.concat([a, b]);
    const changed = Buffer.from(b.map((byte, i) => (i % 40 === 0 ? byte ^ 1 : byte)));
    const fresh = Buffer.concat([changed, noise(100, 3), a]);
    const segments = matcher.match(old, fresh);
    const extra = segments.reduce((total, { extraLength }) => total + extraLength, 0);
    expect(extra).toBeLessThan(130);
    expect(segments.length).toBeLessThan(5);
  });

  it.each([
    ['zeros', Buffer.alloc(300_000), Buffer.alloc(300_001)],
    ['a period', Buffer.alloc(300_000, 'abc'), Buffer.alloc(290_000, 'abcd')],
    ['nothing old', Buffer.alloc(0), noise(100, 1)],
    ['nothing new', noise(100, 1), Buffer.alloc(0)],
    ['less than a block', Buffer.from('abc'), Buffer.from('abd')],
    ['long runs', Buffer.concat([noise(9, 1), Buffer.alloc(99_999)]), Buffer.alloc(200_000)],
  ])('comes to its end with %s', async (_name, old, fresh) => {
    const segments = matcher.match(old, fresh);
    expect(covered(segments, old)).toBe(fresh.length);
    const stream = formatBsdiff(old, fresh, segments, segments.length === 0 ? undefined : 0);
    expect((await patched(stream, old, fresh.length)).equals(fresh)).toBe(true);
  });
});
