import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { decompressXz } from '../../../../delta/codecs/xz.ts';
import { formatBsdiff } from '../../../../delta/ostree/static-delta/bsdiff-stream.ts';
import {
  compressPart,
  type CompressPartOptions,
} from '../../../../delta/ostree/static-delta/build/compress-part.ts';
import { DeltaKernel } from '../../../../delta/ostree/static-delta/build/delta-kernel.ts';
import { KernelMatcher } from '../../../../delta/ostree/static-delta/match/kernel-matcher.ts';
import { noise, prose } from '../../support.ts';
import { tinyElf } from '../../tiny-elf.ts';
import { collect } from '../collect.ts';

/** Less than what some of the tests compress. */
const DICTIONARY_BYTES = 8 * 1024 * 1024;
/** Where an ELF header says what machine it is for. */
const E_MACHINE = 18;

let module: WebAssembly.Module;

beforeAll(async () => {
  module = await DeltaKernel.compile();
});

interface PackedOptions extends CompressPartOptions {
  readonly pieceBytes?: number;
}

function packed(
  bytes: Buffer,
  { pieceBytes = bytes.length, ...options }: PackedOptions = {},
): Promise<Buffer> {
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
    }
  };
  return collect(compressPart(module, { size: bytes.length, pieces }, options));
}

async function roundTrip(bytes: Buffer, options: CompressPartOptions = {}): Promise<Buffer> {
  const stream = await packed(bytes, options);
  const back = await collect(decompressXz([stream], { maxBytes: bytes.length + 1 }));
  expect(back.equals(bytes)).toBe(true);
  return stream;
}

/** Zeros with a byte here and there, as streams of bsdiff are. */
function sparse(length: number, every: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  const values = noise(length, seed);
  for (let at = seed; at < length; at += 1 + ((values[at] ?? 0) % every)) {
    bytes[at] = 1 + ((values[at + 1] ?? 0) % 7);
  }
  return bytes;
}

describe("the kernel's encoder", () => {
  it('makes streams that liblzma decodes', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
      fc.nat(300_000).map((length) => Buffer.alloc(length, length % 3)),
      fc.nat(150_000).map((length) => noise(length, 3)),
      fc.nat(200_000).map((length) => prose(length, 5)),
      fc
        .tuple(fc.nat(600_000), fc.integer({ min: 2, max: 250 }), fc.integer({ min: 1, max: 9 }))
        .map(([length, every, seed]) => sparse(length, every, seed)),
    );
    const any = fc.array(bytes, { minLength: 1, maxLength: 4 }).map((all) => Buffer.concat(all));
    await fc.assert(
      fc.asyncProperty(any, async (raw) => {
        await roundTrip(raw);
      }),
      { numRuns: 40 },
    );
  });

  it('goes past its dictionary', async () => {
    const block = Buffer.concat([noise(100_000, 1), Buffer.alloc(1_500_000), prose(400_000, 2)]);
    const blocks = Buffer.concat(Array.from({ length: 12 }, () => block));
    const stream = await roundTrip(blocks, { dictionaryBytes: DICTIONARY_BYTES });
    expect(stream.length).toBeLessThan(400_000);
  });

  it('goes past its dictionary without looking anything up', async () => {
    const bytes = Buffer.concat([noise(3000, 1), Buffer.alloc(30_000_000), noise(3000, 1)]);
    bytes[20_000_000] = 7;
    const ones = Buffer.alloc(20_000_000, 1);
    const all = Buffer.concat([bytes, ones, sparse(300_000, 90, 2), bytes]);
    const stream = await roundTrip(all, { dictionaryBytes: DICTIONARY_BYTES });
    expect(stream.length).toBeLessThan(100_000);
  });

  it('finds what stands 10 MB back', async () => {
    const block = noise(100_000, 1);
    const all = Buffer.concat([block, Buffer.alloc(10_000_000), block]);
    expect((await roundTrip(all)).length).toBeLessThan(150_000);
  });

  it('lets copies meet where their lengths are cheap', async () => {
    const blocks = Array.from({ length: 40 }, (_, number) => noise(4 + (number % 3), 1 + number));
    const values = noise(40_000, 3);
    const pieces: Buffer[] = [];
    for (let at = 0; at + 1 < values.length; at += 2) {
      const [which = 0, zeros = 0] = values.subarray(at, at + 2);
      pieces.push(
        blocks[which % blocks.length] ?? Buffer.alloc(0),
        Buffer.alloc(20 + (zeros % 200)),
      );
    }
    const stream = await roundTrip(Buffer.concat(pieces));
    // 51,932 where they only meet where the search has them meet.
    expect(stream.length).toBeLessThan(50_500);
  });

  it('leaves alone what can not be compressed, and finds it again all the same', async () => {
    const [random, text] = [noise(150_000, 7), prose(30_000, 8)];
    const plain = await roundTrip(random);
    expect(plain.length).toBeLessThan(random.length + 200);
    // The text is as cheap as without what stands between: the models have not seen that.
    const apart = await roundTrip(Buffer.concat([text, random, prose(30_000, 9)]));
    const joined = await roundTrip(Buffer.concat([text, prose(30_000, 9)]));
    expect(apart.length - joined.length).toBeLessThan(random.length + 1500);
    const twice = await roundTrip(Buffer.concat([text, random, text, random.subarray(33_333)]));
    expect(twice.length).toBeLessThan(apart.length + 2000);
  });

  it('leaves alone stretches of any length at any place', async () => {
    const piece = fc.oneof(
      fc.nat(70_000).map((length) => noise(length, length)),
      fc.nat(3000).map((length) => Buffer.alloc(length)),
      fc.nat(9000).map((length) => sparse(length, 30, 2)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        await roundTrip(Buffer.concat(pieces));
      }),
      { numRuns: 25 },
    );
  });

  it('does not depend on how the bytes come', async () => {
    const raw = Buffer.concat([sparse(400_000, 40, 1), noise(90_000, 2), sparse(300_000, 90, 3)]);
    const whole = await packed(raw);
    for (const pieceBytes of [5000, 262_143, 262_145]) {
      expect((await packed(raw, { pieceBytes })).equals(whole)).toBe(true);
    }
  });
});

describe("the kernel's matcher", () => {
  it('covers every new byte, within the old ones', () => {
    const matcher = new KernelMatcher(module);
    const base = noise(60_000, 4);
    const cut = fc.tuple(fc.nat(59_000), fc.nat(9000));
    const piece = fc.oneof(
      cut.map(([from, length]) => base.subarray(from, from + length)),
      fc.nat(3000).map((length) => noise(length, length)),
    );
    const fresh = fc.array(piece, { maxLength: 8 }).map((all) => Buffer.concat(all));
    const old = fc.constantFrom(base, base.subarray(0, 5000), Buffer.alloc(0), Buffer.alloc(1));
    fc.assert(
      fc.property(old, fresh, (from, to) => {
        const segments = matcher.match(from, to);
        let made = 0;
        for (const { oldOffset, diffLength, extraLength } of segments) {
          expect(oldOffset + diffLength).toBeLessThanOrEqual(from.length);
          made += diffLength + extraLength;
        }
        expect(made).toBe(to.length);
        expect(formatBsdiff(from, to, segments).length).toBe(made + 24 * segments.length);
      }),
    );
  });

  it('aligns programs by what their references mean', async () => {
    const matcher = new KernelMatcher(module);
    const streamBytes = async (old: Buffer, fresh: Buffer): Promise<number> =>
      (await packed(formatBsdiff(old, fresh, matcher.match(old, fresh)))).length;
    // Linked anew, its functions stand in another order: two by two from the last to the first.
    const order = Array.from({ length: 2048 }, (_, n) => n ^ 0x7fe);
    const programs = [tinyElf(2048, 2, new Set()), tinyElf(2048, 2, new Set(), order)] as const;
    // Of a machine that nobody knows they are bytes only.
    const [old, fresh] = programs.map((bytes) => {
      const copy = Buffer.from(bytes);
      copy.writeUInt16LE(0xfffe, E_MACHINE);
      return copy;
    });
    if (old === undefined || fresh === undefined) throw new Error('no copies');
    expect(await streamBytes(...programs)).toBeLessThan(0.9 * (await streamBytes(old, fresh)));
  });

  it('covers every byte of damaged programs too', () => {
    const matcher = new KernelMatcher(module);
    const program = tinyElf(200, 3, new Set());
    const next = tinyElf(200, 3, new Set([7]));
    const damages = fc.array(fc.tuple(fc.nat(next.length - 1), fc.nat(255)), { maxLength: 20 });
    const damaged = (bytes: Buffer, places: readonly (readonly [number, number])[]): Buffer => {
      const copy = Buffer.from(bytes);
      for (const [place, value] of places) copy[Math.min(place, copy.length - 1)] = value;
      // Headers decide what the rest is taken for.
      for (const [place, value] of places) copy[place % 64] = value;
      return copy;
    };
    fc.assert(
      fc.property(damages, damages, (a, b) => {
        const [from, to] = [damaged(program, a), damaged(next, b)];
        const stream = formatBsdiff(from, to, matcher.match(from, to));
        expect(stream.length).toBeGreaterThanOrEqual(to.length);
      }),
      { numRuns: 300 },
    );
  });
});
