import { describe, expect, it } from 'vitest';
import {
  buildElf,
  CODE,
  type Elf,
  LOADED,
  type SectionSpec,
  WRITABLE,
} from '../../../bench/fuzz/elf-builder.ts';
import {
  FUNCTIONS,
  GO,
  GO_RECORD_BYTES,
  GO_RECORDS,
  sampleElf,
  SYMBOLS,
} from '../../../bench/fuzz/sample-elf.ts';
import { type FoundRef, ScanSession } from './scan-session.ts';

/** Kinds of delta/kernel/refs/kinds.ts. */
const ABS64 = 2;
const ABS32 = 3;
const PC32 = 4;
const BASE32 = 5;
const OFF32 = 13;
const FILE32 = 15;
const SYMBOL = 16;
const STEP32 = 18;
const STEP64 = 19;
/** Of delta/kernel/elf/image.ts. */
const ROLE_NONE = 0;
const ROLE_CODE = 1;
const ROLE_DATA = 2;

const TEXT: SectionSpec = { name: '.text', flags: LOADED | CODE, bytes: 256 };

function scan(elf: Elf): FoundRef[] {
  const session = new ScanSession(elf.bytes, 'memory');
  return session.scanAll(session.parse());
}

function within(elf: Elf, refs: FoundRef[], section: string, bytes: number): FoundRef[] {
  const from = elf.places.offset(section);
  return refs.filter((ref) => ref.offset >= from && ref.offset < from + bytes);
}

function data(is64: boolean, values: bigint[]): Elf {
  const word = is64 ? 8 : 4;
  const fill = (view: DataView) => {
    values.forEach((value, i) => {
      if (is64) view.setBigUint64(word * i, value, true);
      else view.setUint32(word * i, Number(value), true);
    });
  };
  const flags = LOADED | WRITABLE;
  const sections = [TEXT, { name: '.data', flags, bytes: word * values.length, fill }];
  return buildElf({ is64, machine: is64 ? 62 : 40, lowest: 0x400000, sections });
}

describe.each([
  { is64: true, kind: ABS64, word: 8 },
  { is64: false, kind: ABS32, word: 4 },
])('data words, $word bytes', ({ is64, kind, word }) => {
  it('are references when they hold an address past the first 4 KiB of the image', () => {
    const elf = data(is64, [0x401000n, 0x400fffn, 0x401001n, 0x3fffffn, 0x480000n, 0n, 0x401010n]);
    const at = elf.places.offset('.data');
    expect(scan(elf)).toEqual([
      { offset: at, kind, aux: 0, target: 0x1000, base: 0 },
      { offset: at + 2 * word, kind, aux: 0, target: 0x1001, base: 0 },
      { offset: at + 6 * word, kind, aux: 0, target: 0x1010, base: 0 },
    ]);
  });
});

describe.each([true, false])('tables of a program, 64 bits: %s', (is64) => {
  const elf = sampleElf(is64);
  const refs = scan(elf);
  const { places } = elf;
  const space = (section: string) => places.address(section) - places.lowest;

  it('symbols: the name by the string table, the value, not the size', () => {
    const entry = is64 ? 24 : 16;
    const found = within(elf, refs, '.dynsym', entry * SYMBOLS);
    const names = places.offset('.dynstr');
    const expected = Array.from({ length: SYMBOLS - 1 }, (_, k) => {
      const i = k + 1;
      const at = places.offset('.dynsym') + entry * i;
      const value = space('.text') + 16 * i;
      return [
        { offset: at, kind: FILE32, aux: 0, target: names + 5 * i, base: names },
        { offset: at + (is64 ? 8 : 4), kind: is64 ? ABS64 : ABS32, aux: 0, target: value, base: 0 },
      ];
    });
    expect(found).toEqual(expected.flat());
  });

  it('relocations: steps after the first place, symbols by their place in the table', () => {
    const entry = is64 ? 24 : 8;
    const found = within(elf, refs, '.rela.plt', entry * 200);
    const table = places.offset('.dynsym');
    const places32 = found.filter((ref) => (ref.offset - places.offset('.rela.plt')) % entry === 0);
    const kinds = places32.map((ref) => ref.kind);
    expect(kinds[0]).toBe(is64 ? ABS64 : ABS32);
    expect(kinds.slice(1)).toEqual(new Array(199).fill(is64 ? STEP64 : STEP32));
    expect(places32[1]).toMatchObject({ aux: entry });
    const symbols = found.filter((ref) => ref.kind === SYMBOL);
    expect(symbols).toHaveLength(199);
    expect(symbols[6]).toEqual({
      offset: places.offset('.rela.plt') + 7 * entry + (is64 ? 12 : 4),
      kind: SYMBOL,
      aux: is64 ? 0 : 8,
      target: table + 7 * (is64 ? 24 : 16),
      base: table,
    });
  });

  it('.eh_frame: where functions begin, and their own data when the CIE has an L', () => {
    const found = within(elf, refs, '.eh_frame', 56 + 32 * FUNCTIONS);
    const records = places.offset('.eh_frame') + 56;
    const expected = Array.from({ length: FUNCTIONS }, (_, i) => {
      const start = space('.text') + 64 * i;
      const lsda = space('.rodata') + 4 * i;
      const at = records + 32 * i;
      const first = { offset: at + 8, kind: PC32, aux: 0, target: start, base: at + 8 };
      const second = { offset: at + 17, kind: PC32, aux: 0, target: lsda, base: at + 17 };
      return i % 2 === 1 ? [first, second] : [first];
    });
    expect(found).toEqual(expected.flat());
  });

  it('.eh_frame_hdr: relative to its own first byte', () => {
    const found = within(elf, refs, '.eh_frame_hdr', 12 + 8 * FUNCTIONS);
    const base = space('.eh_frame_hdr');
    const frame = space('.eh_frame');
    expect(found).toHaveLength(1 + 2 * FUNCTIONS);
    expect(found[0]).toMatchObject({ offset: base + 4, kind: PC32, target: frame });
    expect(found[3]).toEqual({
      offset: base + 20,
      kind: BASE32,
      aux: 0,
      target: space('.text') + 64,
      base,
    });
    expect(found[4]).toMatchObject({ kind: BASE32, target: frame + 56 + 32, base });
  });

  it("Go's function table: pairs and records", () => {
    const table = places.offset('.gopclntab');
    const found = within(elf, refs, '.gopclntab', GO_RECORDS + FUNCTIONS * GO_RECORD_BYTES);
    const text = space('.text');
    const functab = space('.gopclntab') + GO.functab;
    expect(found.slice(2, 4)).toEqual([
      { offset: table + GO.functab + 8, kind: OFF32, aux: 0, target: text + 64, base: text },
      {
        offset: table + GO.functab + 12,
        kind: OFF32,
        aux: 0,
        target: space('.gopclntab') + GO_RECORDS + GO_RECORD_BYTES,
        base: functab,
      },
    ]);
    const at = table + GO_RECORDS + GO_RECORD_BYTES;
    const funcdata = space('.rodata') + 0x2800;
    const place = (field: number, target: number, start: number, aux = 0) => {
      return { offset: at + field, kind: FILE32, aux, target: start + target, base: start };
    };
    const offset = (field: number, target: number, base: number) => {
      return { offset: at + field, kind: OFF32, aux: 0, target: base + target, base };
    };
    const counters = table + GO.counters;
    const record = found.filter((ref) => ref.offset >= at && ref.offset < at + GO_RECORD_BYTES);
    expect(record).toEqual([
      offset(0, 64, text),
      place(4, 4, table + GO.names),
      offset(12, 8, text + 64),
      place(16, 2, counters),
      place(20, 4, counters),
      place(24, 6, counters),
      place(32, 4, table + GO.units, 4),
      place(44, 10, counters),
      offset(52, 4, funcdata),
      offset(60, 8, funcdata),
    ]);
  });

  it("Go's types: offsets in the type data and in its list", () => {
    const types = space('.rodata');
    const found = within(elf, refs, '.rodata', 0x3000);
    expect(found).toHaveLength(0x200);
    expect(found[3]).toEqual({
      offset: types + 48,
      kind: OFF32,
      aux: 0,
      target: types + 0x1000 + 24,
      base: types,
    });
    const list = within(elf, refs, '.typelink', 40);
    expect(list.map((ref) => ref.target - types)).toEqual(
      [...Array(10).keys()].map((i) => 4096 + 64 * i),
    );
  });
});

describe('sections', () => {
  function sectionsOf(elf: Elf): { role: number; offset: number; bytes: number }[] {
    const { kernel, ...session } = new ScanSession(elf.bytes, 'host');
    expect(session).toBeDefined();
    const image = kernel.parse(0, elf.bytes.length, 0);
    return Array.from({ length: kernel.sectionsOf(image) }, (_, i) => ({
      role: kernel.roleOf(image, i),
      offset: kernel.offsetOf(image, i),
      bytes: kernel.bytesOf(image, i),
    }));
  }

  it('are made up from segments where there are no headers', () => {
    const elf = buildElf({
      is64: true,
      machine: 183,
      lowest: 0,
      sections: [TEXT, { name: '.data', bytes: 64 }],
      withoutHeaders: true,
    });
    const border = elf.places.offset('.text') + 256;
    expect(sectionsOf(elf)).toEqual([
      { role: ROLE_CODE, offset: 0, bytes: border },
      { role: ROLE_DATA, offset: border, bytes: elf.bytes.length - border },
    ]);
  });

  it('are parted where they overlap: the later one keeps the rest, and no table', () => {
    const sections = [TEXT, { name: '.data', bytes: 64 }, { name: '.eh_frame', bytes: 64 }];
    const elf = buildElf({ is64: true, machine: 62, lowest: 0, sections });
    const view = new DataView(elf.bytes.buffer);
    const start = elf.places.offset('.data');
    view.setBigUint64(elf.headers + 3 * 64 + 24, BigInt(start + 40), true);
    const [, first, second] = sectionsOf(elf);
    expect(first).toEqual({ role: ROLE_DATA, offset: start, bytes: 64 });
    expect(second).toEqual({ role: ROLE_NONE, offset: start + 64, bytes: 40 });
  });

  it.each([
    { what: 'another machine', at: 18, value: 3 },
    { what: 'big-endian', at: 5, value: 2 },
    { what: 'a class that does not fit the machine', at: 4, value: 1 },
    { what: 'a segment outside the file', at: 64 + 8 + 2, value: 1 },
    { what: 'a segment with more in the file than in memory', at: 64 + 33, value: 0x7f },
    { what: 'addresses over more than 1 GiB', at: 64 + 16 + 3, value: 0x41 },
    { what: 'headers of sections outside the file', at: 40 + 4, value: 1 },
    { what: 'program headers outside the file', at: 32 + 2, value: 9 },
    { what: 'no magic', at: 0, value: 0 },
  ])('$what: no image', ({ at, value }) => {
    const elf = data(true, [0x401000n]);
    elf.bytes[at] = value;
    const session = new ScanSession(elf.bytes, 'host');
    const image = session.parse();
    expect(session.kernel.machineOf(image)).toBe(0);
    expect(session.kernel.sectionsOf(image)).toBe(0);
    expect(session.scanAll(image)).toEqual([]);
  });

  it('a section outside the file: no image', () => {
    const elf = data(true, [0x401000n]);
    elf.bytes[elf.headers + 2 * 64 + 32 + 4] = 1;
    const session = new ScanSession(elf.bytes, 'host');
    expect(session.kernel.machineOf(session.parse())).toBe(0);
  });
});
