import { describe, expect, it } from 'vitest';
import { brief, LOWEST, scan, TEXT, words, wordsAmid } from './code-programs.ts';

/** Kinds of delta/kernel/refs/kinds.ts. */
const REL32 = 1;
const ABS32 = 3;
const B26 = 6;
const B19 = 7;
const B14 = 8;
const ADRP = 9;
const LO12 = 10;
const T32_B25 = 11;
const A32_B24 = 12;
const LITERAL = 14;
const PLT = 17;

describe('x86-64', () => {
  /** 256 NOPs with these bytes at 16; `field` is where the 32 bits are, whose target is given. */
  function instruction(bytes: number[], field: number, target: number, immediate = 0): number[][] {
    const code = new Uint8Array(256).fill(0x90);
    code.set(bytes, 16);
    const view = new DataView(code.buffer);
    view.setInt32(16 + field, target - (TEXT + 16 + field + 4 + immediate), true);
    return brief(scan('x64', code));
  }
  const data = TEXT + 256 + 64;

  it.each([
    ['call', [0xe8], TEXT + 200],
    ['jmp', [0xe9], TEXT],
    ['je', [0x0f, 0x84], TEXT + 8],
    ['lea rax', [0x48, 0x8d, 0x05], data],
    ['call through a slot', [0xff, 0x15], data],
    ['movups', [0x0f, 0x10, 0x05], data],
    ['add', [0x03, 0x0d], data],
  ])('%s', (_name, opcode, target) => {
    const field = opcode.length;
    const found = instruction(opcode, field, target);
    expect(found).toEqual([[16 + field, REL32, 0, target]]);
  });

  it.each([
    ['mov with 32 bits', [0xc7, 0x05], 4],
    ['cmp with 8 bits', [0x80, 0x3d], 1],
    ['test with 8 bits', [0xf6, 0x05], 1],
    ['not', [0xf6, 0x15], 0],
    ['test with 32 bits', [0xf7, 0x05], 4],
  ])('counts from the end of the immediate: %s', (_name, opcode, immediate) => {
    const found = instruction(opcode, 2, data, immediate);
    expect(found).toEqual([[18, REL32, immediate, data]]);
  });

  it('takes nothing whose target is not there, or not code', () => {
    expect(instruction([0xe8], 1, data)).toEqual([]);
    expect(instruction([0xe8], 1, 0x200000)).toEqual([]);
    expect(instruction([0x8b, 0x05], 2, -16)).toEqual([]);
    expect(instruction([0x0c, 0x05], 2, data)).toEqual([]);
    expect(instruction([0x90, 0x84], 2, TEXT)).toEqual([]);
  });

  it('finds the last field that the section has room for, and no more', () => {
    const call = (length: number) => {
      const code = new Uint8Array(length).fill(0x90);
      code[27] = 0xe8;
      code.set([0xf0, 0xff, 0xff, 0xff].slice(0, length - 28), 28);
      return scan('x64', code).length;
    };
    expect(call(32)).toBe(1);
    expect(call(31)).toBe(0);
  });
});

describe('AArch64', () => {
  const NOP = 0xd503201f;
  const adrp = (register: number) => 0x90000000 | (1 << 29) | register;
  const add = (to: number, from: number, low: number) =>
    0x91000000 | (low << 10) | (from << 5) | to;
  const page = TEXT + 0x1000;

  function found(listed: Record<number, number>, count = 1024): number[][] {
    return brief(scan('a64', wordsAmid(count, NOP, listed)));
  }

  it('branches, forward and back', () => {
    const bl = 0x94000000 | 10;
    const conditional = 0x54000000 | (0x7ffff << 5);
    const testBit = 0x36000000 | (5 << 5);
    expect(found({ 1: bl, 2: conditional, 3: testBit })).toEqual([
      [4, B26, 0, TEXT + 44],
      [8, B19, 0, TEXT + 4],
      [12, B14, 0, TEXT + 32],
    ]);
    expect(found({ 1: 0x14000000 | 0x3fff000 })).toEqual([]);
  });

  it('an ADRP has the target of the first instruction that adds to it', () => {
    const load = 0xf9400000 | (3 << 10) | (1 << 5) | 2;
    expect(found({ 0: adrp(1), 9: load, 11: add(1, 1, 0x20), 12: add(1, 1, 0x30) })).toEqual([
      [0, ADRP, 0, page + 24],
      [36, LO12, 3, page + 24],
      [44, LO12, 0, page + 0x20],
    ]);
  });

  it('lasts 1024 bytes, until the register is written', () => {
    const pair = [
      [0, ADRP, 0, page + 8],
      [1024, LO12, 0, page + 8],
    ];
    const alone = [[0, ADRP, 0, page]];
    const listed = { 0: adrp(1), 256: add(0, 1, 8) };
    expect(found(listed)).toEqual(pair);
    expect(found({ 0: adrp(1), 257: add(0, 1, 8) })).toEqual(alone);
    const move = 0xaa0303e0;
    const loadPair = 0xa9400000 | (1 << 10) | (4 << 5) | 5;
    const reload = 0xf9400000 | (31 << 5) | 1;
    const compare = 0xfa400000 | (1 << 16) | (2 << 5) | 1;
    expect(found({ ...listed, 5: move | 1 })).toEqual(alone);
    expect(found({ ...listed, 5: loadPair })).toEqual(alone);
    expect(found({ ...listed, 5: move | 2 })).toEqual(pair);
    expect(found({ ...listed, 5: reload })).toEqual(pair);
    expect(found({ ...listed, 5: compare })).toEqual(pair);
  });

  it('takes words amid strange ones for data', () => {
    const bl = 0x94000000 | 10;
    const strange = 0x01234567;
    expect(found({ 100: bl, 101: strange, 102: strange })).toHaveLength(1);
    expect(found({ 100: bl, 84: strange, 85: strange, 116: strange })).toHaveLength(0);
    expect(found({ 100: bl, 83: strange, 85: strange, 116: strange })).toHaveLength(1);
    expect(found({ 100: bl, 101: 0, 102: 0, 103: 0, 104: 0 })).toHaveLength(1);
  });
});

describe('Arm', () => {
  const NOP = 0xe1a00000;

  function found(listed: Record<number, number>, name?: string): number[][] {
    return brief(scan('arm', wordsAmid(1024, NOP, listed), name));
  }

  it('branches', () => {
    expect(found({ 4: 0xeb000000 | 2, 5: 0x0afffff9, 6: 0xfa000000, 7: 0xea3fffff })).toEqual([
      [16, A32_B24, 0, TEXT + 32],
      [20, A32_B24, 0, TEXT],
    ]);
  });

  it('a literal that is added to the pc, by its word', () => {
    const load = 0xe59f0000 | (1 << 12) | 392;
    const addition = 0xe08f0001;
    const place = TEXT + 6 * 4 + 8;
    const listed = { 0: load, 6: addition, 100: TEXT + 0x1020 - place };
    const refs = scan('arm', wordsAmid(1024, NOP, listed));
    expect(refs).toEqual([
      { offset: TEXT + 400, kind: LITERAL, aux: 8, target: TEXT + 0x1020, base: TEXT + 24 },
    ]);
    expect(found({ ...listed, 6: addition + 1 })).toEqual([]);
    expect(found({ ...listed, 100: 0x10000000 })).toEqual([]);
  });

  it('an absolute word', () => {
    expect(found({ 9: LOWEST + 0x1234, 10: LOWEST + 0xfff })).toEqual([[36, ABS32, 0, 0x1234]]);
  });

  it('entries of a PLT', () => {
    const entry = { 5: 0xe28fc600, 6: 0xe28cca01, 7: 0xe5bcf010 };
    const target = TEXT + 20 + 8 + 0x1010;
    expect(found(entry, '.plt')).toEqual([[20, PLT, 0, target]]);
    expect(found(entry)).toEqual([]);
  });
});

describe('Thumb', () => {
  const NOP = 0x46c0;
  /** BL by `distance` bytes from its end, less than 4 KiB. */
  const bl = (distance: number) => [
    0xf000 | (distance < 0 ? 0x7ff : 0),
    0xf800 | ((distance >> 1) & 0x7ff),
  ];

  function found(listed: Record<number, number[]>): number[][] {
    const halves = new Array<number>(2048).fill(NOP);
    for (const [index, values] of Object.entries(listed)) {
      halves.splice(Number(index), values.length, ...values);
    }
    return brief(scan('arm', words(halves, 2)));
  }

  it('BL and BLX', () => {
    const exchange = [0xf000, 0xe800 | 0x10];
    expect(found({ 3: bl(100), 7: exchange, 20: bl(-8) })).toEqual([
      [6, T32_B25, 0, TEXT + 110],
      [14, T32_B25, 1, TEXT + 16 + 32],
      [40, T32_B25, 0, TEXT + 36],
    ]);
  });

  it('no instruction begins in the middle of another', () => {
    const [first = 0, second = 0] = bl(100);
    const wide = 0xf240;
    expect(found({ 3: [wide, first, second] })).toEqual([]);
    expect(found({ 3: [wide, wide, first, second] })).toHaveLength(1);
  });

  it('a literal that is added to the pc, instead of the branch that it looks like', () => {
    const load = 0x4800 | (1 << 8) | 49;
    const addition = 0x4479;
    const place = TEXT + 14 + 4;
    const value = TEXT + 0x1024 - place;
    const literal = [value & 0xffff, value >>> 16];
    expect(found({ 0: [load], 7: [addition], 100: literal })).toEqual([
      [200, LITERAL, 4, TEXT + 0x1024],
    ]);
    const wideLoad = [0xf8df, (1 << 12) | 196];
    expect(found({ 0: wideLoad, 7: [addition], 100: literal })).toHaveLength(1);
    expect(found({ 0: [load], 7: [addition + 1], 100: literal })).toEqual([]);
  });
});
