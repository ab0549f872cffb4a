import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { type CodedPair, decodePair, type Profile } from '../reference/decoder.ts';
import { decodeWithKernel, encodePair } from '../reference/kernel-coder.ts';
import { sampleProgram, twoVersions } from '../reference/sample-programs.ts';
import type { Source } from '../reference/sources.ts';
import { noise, prose, touched } from '../support.ts';
import { sampleElf } from '../../../bench/fuzz/sample-elf.ts';

/** The kernel codes, the reference decodes; returns how many bytes were coded. */
function compare(
  profile: Profile,
  old: Uint8Array,
  fresh: Uint8Array,
  sources?: readonly Source[],
): number {
  const coded = encodePair(profile, old, fresh, sources);
  expect(Buffer.from(decodePair(coded)).equals(fresh)).toBe(true);
  const streams = [coded.control, ...coded.sections].flat();
  return streams.reduce((sum, stream) => sum + stream.length, 0);
}

interface Edit {
  readonly at: number;
  readonly bytes: number;
  readonly seed: number;
  readonly what: 'replace' | 'insert' | 'remove';
}

function edited(old: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let bytes = Buffer.from(old);
  for (const edit of edits) {
    const at = edit.at % (bytes.length + 1);
    const put = edit.what === 'remove' ? Buffer.alloc(0) : noise(edit.bytes, edit.seed);
    const gone = edit.what === 'insert' ? 0 : edit.bytes;
    bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + gone)]);
  }
  return bytes;
}

const edits = fc.array(
  fc.record({
    at: fc.nat(1 << 20),
    bytes: fc.integer({ min: 1, max: 300 }),
    seed: fc.nat(1000),
    what: fc.constantFrom('replace', 'insert', 'remove'),
  }),
  { maxLength: 12 },
);

const PROFILES = ['small', 'fast'] as const;

describe.each(PROFILES)('the reference decodes what the kernel codes: %s profile', (profile) => {
  it('text', () => {
    const old = prose(60_000, 1);
    const fresh = Buffer.concat([old.subarray(9000), prose(4000, 2), touched(old, 40, 3)]);
    expect(compare(profile, old, fresh)).toBeLessThan(14_000);
  });

  it.each([
    ['nothing, of nothing', 0, 0],
    ['one byte, of nothing', 0, 1],
    ['noise, of nothing', 0, 3000],
    ['nothing, of noise', 3000, 0],
    ['noise, of other noise', 3000, 3000],
  ])('%s', (_, oldBytes, newBytes) => {
    compare(profile, noise(oldBytes, 1), noise(newBytes, 2));
  });

  it.each([true, false])('a program with every table, 64 bits: %s', (is64) => {
    const old = sampleElf(is64).bytes;
    const fresh = edited(touched(Buffer.from(old), 30, 5), [
      { at: 0x1400, bytes: 64, seed: 1, what: 'insert' },
      { at: 0x3000, bytes: 64, seed: 1, what: 'remove' },
      { at: 0x9000, bytes: 200, seed: 2, what: 'replace' },
    ]);
    compare(profile, old, fresh);
  });

  it.each(['x64', 'a64', 'a32', 'thumb', 'rv64'] as const)(
    'the next version of a program: %s',
    (machine) => {
      const [old, fresh] = twoVersions(7, 120);
      compare(profile, sampleProgram(machine, old), sampleProgram(machine, fresh));
    },
  );

  it('a file of two programs', () => {
    const [old, fresh] = twoVersions(8, 60);
    const [first, second] = [sampleProgram('a64', old), sampleProgram('a64', fresh)];
    const both = Buffer.concat([first, noise(123, 1), second]);
    const sources = [
      { offset: 0, bytes: first.length },
      { offset: first.length, bytes: 123 },
      { offset: first.length + 123, bytes: second.length },
    ];
    const [, third] = twoVersions(9, 60);
    compare(profile, both, sampleProgram('a64', fresh.concat(third.slice(0, 20))), sources);
  });

  it('a file of several sections', () => {
    const old = Buffer.concat([prose(30_000, 1), Buffer.alloc(5 << 20), noise(30_000, 2)]);
    const fresh = edited(touched(old, 20, 3), [
      { at: 4 << 20, bytes: 700, seed: 4, what: 'insert' },
    ]);
    compare(profile, old, fresh);
  });

  it.skipIf(!existsSync('/usr/bin/true'))('a program of this machine', () => {
    const old = readFileSync('/usr/bin/true');
    const fresh = edited(touched(old, 60, 1), [
      { at: 9000, bytes: 100, seed: 1, what: 'remove' },
      { at: 12_000, bytes: 300, seed: 2, what: 'insert' },
    ]);
    compare(profile, old, fresh);
  });

  it('any edits of a program', () => {
    fc.assert(
      fc.property(
        edits,
        fc.constantFrom('x64', 'a64', 'thumb', 'rv64', 'tables'),
        (list, machine) => {
          const [functions] = twoVersions(11, 50);
          const old =
            machine === 'tables' ? sampleElf(true).bytes : sampleProgram(machine, functions);
          compare(profile, old, edited(old, list));
        },
      ),
      { numRuns: 10 },
    );
  });
});

/** The new file, or undefined when the decoder refuses. */
function outcome(decode: (coded: CodedPair) => Uint8Array, coded: CodedPair): string | undefined {
  try {
    return Buffer.from(decode(coded)).toString('hex');
  } catch {
    return undefined;
  }
}

describe.each(PROFILES)(
  'of damaged bytes both make the same, or nothing: %s profile',
  (profile) => {
    it.each(['a64', 'x64', 'tables'] as const)('%s', (machine) => {
      const [old, fresh] = twoVersions(12, 40).map((functions) =>
        machine === 'tables' ? sampleElf(true).bytes : sampleProgram(machine, functions),
      );
      if (!old || !fresh) throw new Error('two versions');
      const coded = encodePair(
        profile,
        old,
        edited(fresh, [{ at: 0x2000, bytes: 90, seed: 1, what: 'insert' }]),
      );
      const streams = [coded.control, ...coded.sections];
      fc.assert(
        fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (pick, at, flip) => {
          const set = streams[pick % streams.length] ?? [];
          const index = set.findIndex((stream) => stream.length > 0);
          const stream = Uint8Array.from(set[index] ?? []);
          if (stream.length === 0) return;
          stream[at % stream.length] = (stream[at % stream.length] ?? 0) ^ flip;
          const damaged = (one: readonly Uint8Array[]) =>
            one === set ? one.map((known, i) => (i === index ? stream : known)) : one;
          const broken = {
            ...coded,
            control: damaged(coded.control),
            sections: coded.sections.map(damaged),
          };
          expect(outcome(decodePair, broken)).toBe(outcome(decodeWithKernel, broken));
        }),
        { numRuns: 12 },
      );
    });
  },
);
