import { describe, expect, it } from 'vitest';
import { random } from '../support.ts';
import { buildElf, CODE, LOADED, WRITABLE } from '../../../bench/fuzz/elf-builder.ts';
import { type FoundRef, ScanSession } from './scan-session.ts';

/** Kinds of delta/kernel/refs/kinds.ts. */
const ABS64 = 2;
const JAL = 22;
const BRANCH = 23;
const PAIR = 24;
const HIGH = 25;
const LOW = 26;

/** Where `.text` begins: offset, and place in the address space. */
const TEXT = 0x1000;
const LOWEST = 0x400000;

// Encodings of the listings in The RISC-V Instruction Set Manual, Volume I.
const NOP = 0x00000013;
const C_NOP = 0x0001;
/** jal ra, 8; j -4; beq a0, a1, 16; bnez a0, -8 */
const JAL_8 = 0x008000ef;
const J_BACK_4 = 0xffdff06f;
const BEQ_16 = 0x00b50863;
const BNEZ_BACK_8 = 0xfe051ce3;
/** auipc a0, 1; addi a0, a0, -16; ld a1, 8(a0); flw fa0, 4(a0); sd a1, 8(a0); fsd fa0, -8(a0) */
const AUIPC_A0 = 0x00001517;
const ADDI_A0 = 0xff050513;
const LD_A0 = 0x00853583;
const FLW_A0 = 0x00452507;
const SD_A0 = 0x00b53423;
const FSD_A0 = 0xfea53c27;
/** auipc ra, 0; jalr ra, 24(ra) */
const AUIPC_RA = 0x00000097;
const JALR_RA = 0x018080e7;

type Item = readonly [value: number, bytes: 2 | 4];

const wide = (...values: number[]): Item[] => values.map((value) => [value, 4]);
const half = (...values: number[]): Item[] => values.map((value) => [value, 2]);

function assemble(items: readonly Item[], length = 0): Uint8Array {
  const bytes = items.reduce((sum, [, size]) => sum + size, 0);
  const view = new DataView(new ArrayBuffer(Math.max(bytes, length)));
  let at = 0;
  for (const [value, size] of items) {
    if (size === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += size;
  }
  for (; at + 2 <= view.byteLength; at += 2) view.setUint16(at, C_NOP, true);
  return new Uint8Array(view.buffer);
}

/** A program with this code, and 8 KiB of data after it. */
function program(code: Uint8Array): Uint8Array {
  const fill = (view: DataView) => {
    new Uint8Array(view.buffer, view.byteOffset).set(code);
  };
  const sections = [
    { name: '.text', flags: LOADED | CODE, bytes: code.length, fill },
    { name: '.data', flags: LOADED | WRITABLE, bytes: 8192 },
  ];
  return buildElf({ is64: true, machine: 243, lowest: LOWEST, sections }).bytes;
}

function scan(bytes: Uint8Array): FoundRef[] {
  const session = new ScanSession(bytes, 'memory');
  return session.scanAll(session.parse());
}

/** `[offset in .text, kind, target - .text]` of each. */
function found(...items: Item[]): number[][] {
  const refs = scan(program(assemble(items, 64)));
  return refs.map((ref) => [ref.offset - TEXT, ref.kind, ref.target - TEXT]);
}

describe('RISC-V', () => {
  it('JAL and branches, forward and back', () => {
    expect(found(...wide(NOP, NOP, JAL_8, J_BACK_4, BEQ_16, BNEZ_BACK_8))).toEqual([
      [8, JAL, 16],
      [12, JAL, 8],
      [16, BRANCH, 32],
      [20, BRANCH, 12],
    ]);
  });

  it('takes no jumps to where no code is, and no branches without a condition', () => {
    expect(found(...wide(0x7ffff0ef, J_BACK_4 & ~0x80000000))).toEqual([]);
    expect(found(...wide(BEQ_16 | 0x2000, BEQ_16 | 0x3000, BEQ_16 | 0x7000))).toEqual([
      [8, BRANCH, 24],
    ]);
  });

  it.each([
    ['addi', ADDI_A0, -16],
    ['ld', LD_A0, 8],
    ['flw', FLW_A0, 4],
    ['sd', SD_A0, 8],
    ['fsd', FSD_A0, -8],
  ])('AUIPC and %s right after it are one field', (_name, low, added) => {
    expect(found(...half(C_NOP), ...wide(AUIPC_A0, low))).toEqual([[2, PAIR, 2 + 0x1000 + added]]);
  });

  it('AUIPC and JALR lead to code', () => {
    expect(found(...wide(AUIPC_RA, JALR_RA))).toEqual([[0, PAIR, 24]]);
    expect(found(...wide(AUIPC_RA | 0x1000, JALR_RA))).toEqual([]);
  });

  it('AUIPC and what comes later are two, the other from the address of the first', () => {
    const between = [...half(C_NOP), ...wide(NOP)];
    const refs = scan(program(assemble([...wide(AUIPC_A0), ...between, ...wide(SD_A0)], 64)));
    const target = TEXT + 0x1008;
    expect(refs).toEqual([
      { offset: TEXT, kind: HIGH, aux: 0, target, base: 0 },
      { offset: TEXT + 10, kind: LOW, aux: 0, target, base: TEXT },
    ]);
  });

  it('looks 32 bytes on, until the register is set anew', () => {
    const nops = (count: number) => wide(...new Array<number>(count).fill(NOP));
    expect(found(...wide(AUIPC_A0), ...nops(8), ...wide(LD_A0))).toHaveLength(2);
    expect(found(...wide(AUIPC_A0), ...nops(9), ...wide(LD_A0))).toEqual([]);
    expect(found(...wide(AUIPC_A0, AUIPC_A0, LD_A0))).toEqual([[4, PAIR, 4 + 0x1008]]);
    expect(found(...wide(AUIPC_A0, AUIPC_RA, LD_A0, JALR_RA))).toEqual([
      [0, HIGH, 0x1008],
      [4, HIGH, 28],
      [8, LOW, 0x1008],
      [12, LOW, 28],
    ]);
  });

  it('takes no other register, no other operation, nothing that is not loaded', () => {
    expect(found(...wide(AUIPC_A0, LD_A0 ^ 0x8000))).toEqual([]);
    expect(found(...wide(AUIPC_A0, ADDI_A0 | 0x4000))).toEqual([]);
    expect(found(...wide(AUIPC_A0 | 0x7f000000, LD_A0))).toEqual([]);
  });

  it('no instruction begins in the middle of another', () => {
    const [low, high] = [JAL_8 & 0xffff, JAL_8 >>> 16];
    expect(found(...half(NOP, low, high))).toEqual([]);
    expect(found(...half(NOP, NOP, low, high))).toEqual([[4, JAL, 12]]);
    expect(found(...half(C_NOP, low, high))).toEqual([[2, JAL, 10]]);
  });

  it('data and relocations are those of any machine', () => {
    const fill = (view: DataView) => {
      view.setBigUint64(0, BigInt(LOWEST + TEXT + 8), true);
      // R_RISCV_RELATIVE.
      view.setBigUint64(8, 3n, true);
      view.setBigUint64(16, BigInt(LOWEST + TEXT + 16), true);
    };
    const sections = [
      { name: '.text', flags: LOADED | CODE, bytes: 64 },
      { name: '.rela.dyn', type: 4, entry: 24, bytes: 24, fill },
      { name: '.data', flags: LOADED | WRITABLE, bytes: 24, fill },
    ];
    const { bytes, places } = buildElf({ is64: true, machine: 243, lowest: LOWEST, sections });
    const at = [places.offset('.rela.dyn'), places.offset('.data')];
    expect(scan(bytes).map(({ offset, kind, target }) => [offset, kind, target])).toEqual(
      at.flatMap((start) => [
        [start, ABS64, TEXT + 8],
        [start + 16, ABS64, TEXT + 16],
      ]),
    );
  });

  it('is a machine of 64 bits only', () => {
    const machine = (is64: boolean) => {
      const sections = [{ name: '.text', flags: LOADED | CODE, bytes: 64 }];
      const elf = buildElf({ is64, machine: 243, lowest: LOWEST, sections });
      const session = new ScanSession(elf.bytes, 'memory');
      return session.kernel.machineOf(session.parse());
    };
    expect(machine(true)).toBe(4);
    expect(machine(false)).toBe(0);
  });
});

/** Code of many references, at any place of its pages, some across their borders. */
function crowdedCode(): Uint8Array {
  const next = random(5);
  const low = [ADDI_A0, LD_A0, FLW_A0, SD_A0, FSD_A0];
  const some: readonly (() => Item[])[] = [
    () => half(C_NOP),
    () => half(C_NOP, 0x8082),
    () => wide(0xef | ((next() & 0x7fe) << 20)),
    () => wide(BEQ_16 ^ ((next() & 15) << 8)),
    () => wide(AUIPC_A0),
    () => wide(low[next() % 5] ?? NOP),
    () => wide(AUIPC_A0, low[next() % 5] ?? NOP),
  ];
  const items: Item[] = [];
  while (items.length < 8000) items.push(...(some[next() % 7]?.() ?? []));
  return assemble(items);
}

describe('pages of RISC-V code', () => {
  const bytes = program(crowdedCode());
  const expected = scan(bytes);

  it('have many references, which do not overlap', () => {
    const kinds = [JAL, BRANCH, PAIR, HIGH, LOW];
    const counts = kinds.map((kind) => expected.filter((ref) => ref.kind === kind).length);
    expect(Math.min(...counts)).toBeGreaterThan(100);
    let free = 0;
    for (const { offset, kind } of expected) {
      expect(offset).toBeGreaterThanOrEqual(free);
      free = offset + (kind === PAIR ? 8 : 4);
    }
  });

  it('do not depend on what was scanned before, nor on where the bytes are', () => {
    const session = new ScanSession(bytes, 'host');
    const image = session.parse();
    expect(session.scanAll(image, (pages) => pages.reverse())).toEqual(expected);
    expect(session.scanAll(image, (pages) => pages.sort((a, b) => (a % 3) - (b % 3)))).toEqual(
      expected,
    );
  });

  it('are the same wherever pages begin', () => {
    for (let shift = 1; shift < 4096; shift += 41) {
      const old = new Uint8Array(shift + bytes.length);
      old.set(bytes, shift);
      const session = new ScanSession(old, 'host');
      const moved = session.scanAll(session.parse(shift));
      const back = moved.map((ref) => ({ ...ref, offset: ref.offset - shift }));
      expect(JSON.stringify(back)).toBe(JSON.stringify(expected));
    }
  });

  it('rewritten fields come back exactly', () => {
    const session = new ScanSession(bytes, 'memory');
    session.parse();
    const log = session.kernel.rewriteOld();
    const now = session.bytes(session.base, bytes.length).slice();
    const touched = new Set(
      expected.flatMap(({ offset, kind }) =>
        Array.from({ length: kind === PAIR ? 8 : 4 }, (_, i) => offset + i),
      ),
    );
    const changed = [...now.keys()].filter((at) => now[at] !== bytes[at]);
    expect(changed.length).toBeGreaterThan(1000);
    expect(changed.filter((at) => !touched.has(at))).toEqual([]);
    session.kernel.swap(log);
    expect(Buffer.compare(session.bytes(session.base, bytes.length), bytes)).toBe(0);
  });

  it('rewritten addresses of one target are equal wherever they stand', () => {
    // The second is 10 bytes on: its load adds that much less.
    const second = (LD_A0 - (10 << 20)) >>> 0;
    const items = [...wide(AUIPC_A0, LD_A0), ...half(C_NOP), ...wide(AUIPC_A0, second)];
    const fresh = program(assemble(items));
    const host = new ScanSession(Buffer.alloc(10), 'host');
    const base = host.kernel.alloc(fresh.length);
    host.bytes(base, fresh.length).set(fresh);
    host.kernel.openOld(fresh.length, base);
    const image = host.kernel.parse(0, fresh.length, 0);
    host.kernel.openOld(10, 0);
    host.kernel.rewriteNew(base, fresh.length, image);
    const text = host.bytes(base + TEXT, 18);
    expect(Buffer.from(text.subarray(0, 8)).equals(text.subarray(10, 18))).toBe(true);
  });
});
