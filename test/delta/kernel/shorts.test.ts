import { describe, expect, it } from 'vitest';
import { compileKernel, startKernel } from './compile.ts';
import { buildElf, CODE, LOADED, WRITABLE } from '../../../bench/fuzz/elf-builder.ts';

const ENTRY = `
import { openOld } from 'kernel/old';
import { alloc } from 'kernel/memory';
import { addImage, openImages } from 'kernel/elf/images';
import { Image } from 'kernel/elf/image';
import { parseImage } from 'kernel/elf/parse';
import { openScan } from 'kernel/scan/emit';
import { openPages } from 'kernel/scan/pages';
import { openSettle } from 'kernel/scan/settle';
import { Block } from 'kernel/map/block';
import { openMap } from 'kernel/map/map';
import { findShorts, occupied, openShorts, shortCount, shorts } from 'kernel/model/shorts';
export { alloc };
let image: usize = 0;
export function open(size: u32, base: usize, blocks: usize, count: u32): void {
  openOld(size, base);
  openScan();
  openSettle();
  openImages();
  const parsed = parseImage(0, size, 0);
  addImage(parsed);
  image = changetype<usize>(parsed);
  openPages();
  openMap(blocks, count, changetype<Image>(image));
  openShorts();
}
export function find(block: usize, from: u32, to: u32): u32 {
  const known = changetype<Image>(image);
  findShorts(changetype<Block>(block), known, known, from, to);
  return shortCount;
}
export function found(): usize { return shorts; }
export function busy(): usize { return occupied; }
`;

/** Where `.text` begins, by offset and by address; both files have it there. */
const TEXT = 0x1000;
const LENGTH = 0x6000;
const CHUNK = 32;

interface Found {
  readonly position: number;
  readonly width: number;
  readonly group: number;
  readonly old: number;
  readonly mapped: number;
}

interface Block {
  readonly fresh: number;
  readonly old: number;
  readonly length: number;
}

const compiled = compileKernel(ENTRY);

/** The fields of one block when `code` was copied by these blocks of `.text`. */
function find(
  machine: number,
  code: Uint8Array,
  blocks: readonly Block[],
  { window = CHUNK, occupied = [] as readonly number[], block = 0 } = {},
): Found[] {
  const { run, memory, put } = startKernel(compiled, ['open', 'find', 'found', 'busy']);
  const fill = (view: DataView) => {
    new Uint8Array(view.buffer, view.byteOffset).set(code);
  };
  const sections = [
    { name: '.text', flags: LOADED | CODE, bytes: LENGTH, fill },
    { name: '.data', flags: LOADED | WRITABLE, bytes: 64 },
  ];
  const { bytes } = buildElf({ is64: machine === 62, machine, lowest: 0, sections });
  const old = put(bytes);
  const list = run.alloc(12 * blocks.length);
  const words = blocks.flatMap(({ fresh, old, length }) => [TEXT + fresh, TEXT + old, length]);
  new Uint32Array(memory.buffer, list, words.length).set(words);
  run.open(bytes.length, old, list, blocks.length);
  const length = blocks[block]?.length ?? 0;
  const found: Found[] = [];
  for (let from = 0; from < length; from += window) {
    const to = Math.min(from + window, length);
    const busy = new Uint8Array(memory.buffer, run.busy(), to - from + 8);
    busy.forEach((_, i) => {
      busy[i] = occupied.includes(from - 4 + i) ? 1 : 0;
    });
    const count = run.find(list + 12 * block, from, to);
    const view = new DataView(memory.buffer, run.found(), 16 * count);
    for (let at = 0; at < 16 * count; at += 16) {
      found.push({
        position: view.getUint32(at, true),
        old: view.getUint32(at + 4, true),
        mapped: view.getUint32(at + 8, true),
        width: view.getUint8(at + 12),
        group: view.getUint8(at + 13),
      });
    }
  }
  return found;
}

/** What follows the first 0x2000 bytes lies 64 further on in the new file. */
const APART: readonly Block[] = [
  { fresh: 0, old: 0, length: 0x2000 },
  { fresh: 0x2040, old: 0x2000, length: 0x3000 },
];
const END = 0x2000;

describe('x86-64', () => {
  function code(listed: Record<number, number[]>): Uint8Array {
    const bytes = new Uint8Array(LENGTH).fill(0x90);
    for (const [at, values] of Object.entries(listed)) bytes.set(values, Number(at));
    return bytes;
  }

  it('jumps out of the block', () => {
    const bytes = code({ [END - 10]: [0x74, 20], [END - 6]: [0xeb, 30], [END - 20]: [0xe3, 50] });
    expect(find(62, bytes, APART)).toEqual([
      { position: END - 19, width: 1, group: 0, old: 50, mapped: 114 },
      { position: END - 9, width: 1, group: 0, old: 20, mapped: 84 },
      { position: END - 5, width: 1, group: 1, old: 30, mapped: 94 },
    ]);
  });

  it('back, into what was moved', () => {
    const blocks = [
      { fresh: 0, old: 0, length: 0x100 },
      { fresh: 0x140, old: 0x100, length: 0x200 },
    ];
    expect(find(62, code({ 0x104: [0x75, 0xf0] }), blocks, { block: 1 })).toEqual([
      { position: 5, width: 1, group: 0, old: 0xf0, mapped: 0xb0 },
    ]);
  });

  it.each([
    ['inside the block', { [END - 30]: [0x74, 10] }],
    ['too far after the move', { [END - 10]: [0x74, 100] }],
    ['of a long jump', { [END - 10]: [0x0f, 0x74, 20] }],
    ['far from the end', { [END - 140]: [0x74, 127] }],
  ])('not %s', (_name, listed: Record<number, number[]>) => {
    expect(find(62, code(listed), APART)).toEqual([]);
  });

  it('not where a reference is', () => {
    const bytes = code({ [END - 10]: [0x74, 20] });
    expect(find(62, bytes, APART, { occupied: [END - 11, END - 8] })).toHaveLength(1);
    expect(find(62, bytes, APART, { occupied: [END - 10] })).toEqual([]);
    expect(find(62, bytes, APART, { occupied: [END - 9] })).toEqual([]);
  });
});

describe('Arm', () => {
  function code(listed: Record<number, number>): Uint8Array {
    const view = new DataView(new ArrayBuffer(LENGTH));
    for (let at = 0; at < LENGTH; at += 4) view.setUint32(at, listed[at] ?? 0xe1a00000, true);
    return new Uint8Array(view.buffer);
  }

  it('loads of literals beyond the block', () => {
    const load = 0xe59f3080;
    const vector = 0xed9f7b20;
    expect(find(40, code({ [END - 8]: load, [END - 16]: vector }), APART)).toEqual([
      { position: END - 16, width: 4, group: 3, old: vector, mapped: vector + 0x10 },
      { position: END - 8, width: 4, group: 3, old: load, mapped: load + 0x40 },
    ]);
  });

  it('with the other sign, once the literal is before the load', () => {
    const blocks = [
      { fresh: 0x1f00, old: 0x1100, length: 0x100 },
      { fresh: 0x2000, old: 0x1000, length: 0x100 },
    ];
    expect(find(40, code({ 0x10fc: 0xe59f3010 }), blocks, { block: 1 })).toEqual([
      { position: 0xfc, width: 4, group: 3, old: 0xe59f3010, mapped: 0xe51f31f0 },
    ]);
  });

  it('not what looks like a Thumb branch', () => {
    expect(find(40, code({ [END - 8]: 0xe5910000 | 0xd020 }), APART)).toEqual([]);
  });
});

describe('Thumb', () => {
  function code(listed: Record<number, number[]>): Uint8Array {
    const view = new DataView(new ArrayBuffer(LENGTH));
    for (let at = 0; at < LENGTH; at += 2) view.setUint16(at, 0x46c0, true);
    for (const [at, halves] of Object.entries(listed)) {
      halves.forEach((half, i) => {
        view.setUint16(Number(at) + 2 * i, half, true);
      });
    }
    return new Uint8Array(view.buffer);
  }
  const wide = (first: number, second: number) => first + second * 0x10000;

  it.each([
    ['beq', [0xd010], 0xd030, 2, 0],
    ['b', [0xe010], 0xe030, 2, 1],
    ['b back', [0xe7ff], 0, 0, 0],
    ['cbz', [0xb100 | (8 << 3) | 1], 0xb300 | (8 << 3) | 1, 2, 2],
    ['ldr', [0x4b08], 0x4b18, 2, 3],
    ['ldr.w', [0xf8df, 0x3020], wide(0xf8df, 0x3060), 4, 3],
    ['beq.w', [0xf000, 0x8010], wide(0xf000, 0x8030), 4, 0],
    ['bne.w', [0xf040, 0x87f0], wide(0xf041, 0x8010), 4, 0],
  ])('%s', (_name, halves, mapped, width, group) => {
    const found = find(40, code({ [END - 8]: halves }), APART);
    const old = wide(halves[0] ?? 0, halves[1] ?? 0);
    const expected = { position: END - 8, width, group, old, mapped };
    expect(found).toEqual(width === 0 ? [] : [expected]);
  });

  it('beq.w back, into what was moved', () => {
    const blocks = [
      { fresh: 0, old: 0, length: 0x1000 },
      { fresh: 0x1040, old: 0x1000, length: 0x2000 },
    ];
    // From 0x1014 by -0x40.
    const bytes = code({ 0x1010: [0xf43f, 0xafe0] });
    expect(find(40, bytes, blocks, { block: 1 })).toEqual([
      {
        position: 0x10,
        width: 4,
        group: 0,
        old: wide(0xf43f, 0xafe0),
        mapped: wide(0xf43f, 0xafc0),
      },
    ]);
  });

  it('not in the second half of an instruction', () => {
    expect(find(40, code({ [END - 8]: [0xf240, 0xd010] }), APART)).toEqual([]);
    expect(find(40, code({ [END - 8]: [0xf240, 0xf240, 0xd010] }), APART)).toHaveLength(1);
  });

  it('not when it does not fit any more', () => {
    expect(find(40, code({ [END - 8]: [0xd070] }), APART)).toEqual([]);
    expect(find(40, code({ [END - 8]: [0xb100 | (30 << 3) | 0x200] }), APART)).toEqual([]);
    expect(find(40, code({ [END - 8]: [0x4bf8] }), APART)).toEqual([]);
  });

  it('the same whatever the windows', () => {
    const listed: Record<number, number[]> = {};
    for (let at = END - 120; at < END - 4; at += 6) {
      listed[at] = [[0xd03c], [0xf8df, 0x3080], [0xe050]][((at / 6) % 3) | 0] ?? [];
    }
    const bytes = code(listed);
    const expected = find(40, bytes, APART);
    expect(expected.length).toBeGreaterThan(12);
    for (const window of [4, 6, 10, 64]) {
      expect(find(40, bytes, APART, { window })).toEqual(expected);
    }
  });
});
