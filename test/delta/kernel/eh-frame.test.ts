import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blocksOf, type Flaws, type Fn, type Sample, sampleOf } from './eh-sample.ts';
import { KernelFault } from './compile.ts';
import { EhSession } from './eh-session.ts';

/** Functions like a compiler's: sizes and frames of a fixed sequence of pseudo-random numbers. */
function manyFunctions(count: number): Fn[] {
  let state = 1;
  const next = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  return Array.from({ length: count }, (_, id) => ({
    id,
    bytes: 16 + next(900),
    steps: Array.from({ length: next(6) }, () => 1 + next(9)),
    hasData: next(5) === 0,
  }));
}

function sessionOf(old: Sample, fresh: Sample): EhSession {
  return new EhSession(old.elf, fresh.elf, old.frameBytes, fresh.frameBytes);
}

/** Table, padding and frame as they are in the file. */
function wanted(sample: Sample): Uint8Array {
  const { places, bytes } = sample.elf;
  const end = places.offset('.eh_frame') + sample.frameBytes;
  return bytes.subarray(places.offset('.eh_frame_hdr'), end);
}

function coded(old: Sample, fresh: Sample, functions: readonly Fn[]) {
  const session = sessionOf(old, fresh);
  expect(session.frameUsable).toBe(true);
  expect(session.tableUsable).toBe(true);
  session.setBlocks(blocksOf(old, fresh, functions));
  return { session, bytes: session.encode() };
}

const anyFunction = fc.record({
  bytes: fc.integer({ min: 1, max: 5000 }),
  steps: fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 12 }),
  hasData: fc.boolean(),
});

/** Old functions, and new ones: some of the old ones in any order, changed or not, and others. */
const anyPair = fc
  .array(anyFunction, { minLength: 2, maxLength: 60 })
  .map((list) => list.map((fn, id) => ({ ...fn, id })))
  .chain((old) =>
    fc.record({
      old: fc.constant(old),
      kept: fc.shuffledSubarray(old, { minLength: 1 }),
      changed: fc.array(anyFunction, { minLength: 1, maxLength: 20 }),
      isSorted: fc.boolean(),
    }),
  )
  .map(({ old, kept, changed, isSorted }) => {
    const fresh: Fn[] = isSorted ? kept.sort((a, b) => a.id - b.id) : kept;
    const others = changed.map((fn, i) => ({ ...fn, id: i % 2 === 0 ? 1000 + i : i }));
    return {
      old,
      fresh: [...fresh.filter((fn) => !others.some((o) => o.id === fn.id)), ...others],
    };
  });

describe('.eh_frame by records', () => {
  it('makes table and frame again from the old file that the host has', () => {
    fc.assert(
      fc.property(anyPair, ({ old, fresh }) => {
        const from = sampleOf(old);
        const to = sampleOf(fresh);
        const { session, bytes } = coded(from, to, fresh);
        expect(session.decode(bytes, true)).toEqual(wanted(to));
        expect(session.decode(bytes, false)).toEqual(wanted(to).subarray(-to.frameBytes));
      }),
      { numRuns: 60 },
    );
  });

  it('codes 4000 functions that moved by one new and one lost one in a few bytes', () => {
    const old = manyFunctions(4000);
    const fresh = old.filter((fn) => fn.id !== 3000);
    fresh.splice(1000, 0, { id: 9000, bytes: 333, steps: [1, 4, 9, 2], hasData: false });
    const to = sampleOf(fresh);
    const { session, bytes } = coded(sampleOf(old), to, fresh);
    expect(bytes.length).toBeLessThan(90);
    expect(session.decode(bytes, true)).toEqual(wanted(to));
  });

  it('follows functions that changed places', () => {
    const old = manyFunctions(2000);
    const fresh = [...old.slice(0, 500), ...old.slice(900, 1500), ...old.slice(500, 900)];
    const to = sampleOf(fresh);
    const { session, bytes } = coded(sampleOf(old), to, fresh);
    expect(bytes.length).toBeLessThan(90);
    expect(session.decode(bytes, true)).toEqual(wanted(to));
  });

  it('sorts the table of records that do not ascend', () => {
    const functions = manyFunctions(200);
    const recordOrder = (id: number) => (id * 37) % 101;
    const from = sampleOf(functions);
    const to = sampleOf(functions, { recordOrder });
    const { session, bytes } = coded(from, to, functions);
    expect(session.decode(bytes, true)).toEqual(wanted(to));
  });

  it('gives the same bytes every time', () => {
    const old = manyFunctions(300);
    const fresh = old.filter((fn) => fn.id % 7 !== 0);
    const samples = [sampleOf(old), sampleOf(fresh)] as const;
    const first = coded(...samples, fresh).bytes;
    expect(coded(...samples, fresh).bytes).toEqual(first);
  });
});

describe('sections of other layouts', () => {
  const functions = manyFunctions(20);
  const good = sampleOf(functions);
  const flawed: [string, Flaws][] = [
    ['first addresses that are not pc-relative', { encoding: 0x03 }],
    ['a code alignment of 0', { factor: 0 }],
    ['a code alignment of more than one byte', { factor: 0x81 }],
    ['a record of more than 8192 bytes', { padding: 8192 }],
  ];
  it.each(flawed)('are left alone: %s', (_, flaws) => {
    const bad = sampleOf(functions, flaws);
    expect(sessionOf(good, good).frameUsable).toBe(true);
    expect(sessionOf(bad, good).frameUsable).toBe(false);
    expect(sessionOf(good, bad).frameUsable).toBe(false);
  });

  it('a table that does not follow from the frame is left alone', () => {
    const bad = sampleOf(functions, { tableOrder: 'descending' });
    expect(sessionOf(good, bad).frameUsable).toBe(true);
    expect(sessionOf(good, bad).tableUsable).toBe(false);
  });

  it('a table that is too short is left alone, and no more is written', () => {
    const bad = sampleOf(functions, { missing: 12 });
    const session = sessionOf(good, bad);
    expect(session.frameUsable).toBe(true);
    expect(session.tableUsable).toBe(false);
    session.setBlocks(blocksOf(good, bad, functions));
    const bytes = session.encode();
    expect(() => session.decode(bytes, true)).toThrow(KernelFault);
  });

  it('damaged sections never trap', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }), (changes) => {
        const bad = sampleOf(functions);
        const start = bad.elf.places.offset('.eh_frame');
        for (const [at, byte] of changes) bad.elf.bytes[start + (at % bad.frameBytes)] = byte;
        const session = sessionOf(bad, good);
        if (!session.frameUsable) return;
        session.setBlocks(blocksOf(bad, good, functions));
        expect(session.decode(session.encode(), true)).toEqual(wanted(good));
      }),
      { numRuns: 40 },
    );
  });
});

describe('coded bytes that lie', () => {
  const old = manyFunctions(120);
  const fresh = old
    .filter((fn) => fn.id % 9 !== 0)
    .map((fn) => ({ ...fn, bytes: fn.bytes + (fn.id % 5) }));
  const samples = [sampleOf(old), sampleOf(fresh)] as const;
  const { bytes } = coded(...samples, fresh);

  /** What came out, or nothing; traps are thrown on. */
  function attempt(lie: Uint8Array, withTable: boolean): Uint8Array | undefined {
    const session = sessionOf(...samples);
    session.setBlocks(blocksOf(...samples, fresh));
    try {
      return session.decode(lie, withTable);
    } catch (error) {
      if (error instanceof KernelFault) return undefined;
      throw error;
    }
  }

  it('give a fault or as many bytes as there should be', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (changes, table) => {
          const lie = bytes.slice();
          for (const [at, byte] of changes) lie[at % lie.length] = byte;
          const made = attempt(lie, table);
          const sizes = [undefined, 0, table ? wanted(samples[1]).length : samples[1].frameBytes];
          expect(sizes).toContain(made?.length);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('of any content never trap', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (lie, table) => {
        attempt(lie, table);
      }),
      { numRuns: 100 },
    );
  });

  it('of another old file never trap', () => {
    for (let count = 2; count < 120; count += 13) {
      const other = sampleOf(old.slice(0, count));
      const session = sessionOf(other, samples[1]);
      session.setBlocks(blocksOf(other, samples[1], fresh));
      try {
        session.decode(bytes, true);
      } catch (error) {
        expect(error).toBeInstanceOf(KernelFault);
      }
    }
  });

  it('cut short are a fault', () => {
    expect(attempt(bytes.subarray(0, bytes.length - 8), true)).toBeUndefined();
    expect(attempt(new Uint8Array(0), true)).toBeUndefined();
  });
});
