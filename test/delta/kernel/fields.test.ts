import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernel, startKernel } from './compile.ts';
import { buildElf, CODE, LOADED, WRITABLE } from '../../../bench/fuzz/elf-builder.ts';

const ENTRY = `
import { openOld } from 'kernel/old';
import { alloc } from 'kernel/memory';
import { Image } from 'kernel/elf/image';
import { parseImage } from 'kernel/elf/parse';
import { openScan } from 'kernel/scan/emit';
import { putField, takeField } from 'kernel/refs/fields';
export { alloc };
export function open(size: u32, base: usize, addresses: u32): usize {
  openOld(size, base);
  openScan();
  return changetype<usize>(parseImage(0, size, addresses));
}
export function put(kind: u32, aux: u32, at: usize, place: u32, target: u32, base: u32, image: usize): void {
  putField(kind, aux, at, place, target, base, changetype<Image>(image));
}
export function take(kind: u32, aux: u32, at: usize, place: u32, base: u32, hint: u32, image: usize): u32 {
  return takeField(kind, aux, at, place, base, hint, changetype<Image>(image));
}
`;

const NO_PLACE = 0xffffffff;
/** Of the image in the address space, and of the program's own addresses. */
const BASE = 0x100000;
const LOWEST = 0x10000;
const SPAN = 0x89000;

const compiled = compileKernel(ENTRY);

/** One image of each class, with 512 KiB of code. */
function openKernel(is64: boolean) {
  const { run, memory, put } = startKernel(compiled, ['open', 'put', 'take']);
  const sections = [
    { name: '.text', flags: LOADED | CODE, bytes: 0x80000 },
    { name: '.data', flags: LOADED | WRITABLE, bytes: 0x8000 },
  ];
  const { bytes } = buildElf({ is64, machine: is64 ? 183 : 40, lowest: LOWEST, sections });
  const old = put(bytes);
  const at = run.alloc(16);
  const image = run.open(bytes.length, old, BASE);
  const view = new DataView(memory.buffer, at, 16);
  return {
    view,
    put: (kind: number, aux: number, place: number, target: number, base = 0) => {
      run.put(kind, aux, at, place, target, base, image);
    },
    take: (kind: number, aux: number, place: number, base = 0, hint = 0) =>
      run.take(kind, aux, at, place, base, hint, image) >>> 0,
  };
}

const wide = openKernel(true);
const narrow = openKernel(false);

interface Sample {
  readonly name: string;
  readonly kind: number;
  readonly aux?: number;
  /** The field before a target is put into it. */
  readonly words: readonly number[];
  /** Of a target and of a place, a power of 2. */
  readonly unit: number;
  /** Farthest target from the place. */
  readonly reach?: number;
  readonly kernel?: typeof wide;
}

const BL = 0xf800f000;
const BLX = 0xe800f000;
const SAMPLES: readonly Sample[] = [
  { name: 'x86-64', kind: 1, words: [0], unit: 1 },
  { name: 'x86-64 with an immediate', kind: 1, aux: 4, words: [0], unit: 1 },
  { name: 'an address of 64 bits', kind: 2, words: [0, 0], unit: 1 },
  { name: 'an address of 32 bits', kind: 3, words: [0], unit: 1, kernel: narrow },
  { name: 'relative to the field', kind: 4, words: [0], unit: 1 },
  { name: 'relative to a base', kind: 5, words: [0], unit: 1 },
  { name: 'B', kind: 6, words: [0x14000000], unit: 4 },
  { name: 'CBZ', kind: 7, words: [0xb4000011], unit: 4 },
  { name: 'B.cond', kind: 7, words: [0x54000003], unit: 4 },
  { name: 'TBNZ', kind: 8, words: [0xb7f80011], unit: 4, reach: 0x7ffc },
  { name: 'LDR low 12 bits', kind: 10, aux: 3, words: [0xf9400041], unit: 8 },
  { name: 'LDR Q low 12 bits', kind: 10, aux: 4, words: [0x3dc00041], unit: 16 },
  { name: 'ADD low 12 bits', kind: 10, words: [0x91000041], unit: 1 },
  { name: 'Thumb BL', kind: 11, words: [BL], unit: 2, kernel: narrow },
  { name: 'Thumb B.W', kind: 11, words: [0x9000f000], unit: 2, kernel: narrow },
  { name: 'Thumb BLX', kind: 11, aux: 1, words: [BLX], unit: 4, kernel: narrow },
  { name: 'Arm BL', kind: 12, words: [0xeb000000], unit: 4, kernel: narrow },
  { name: 'a table of offsets', kind: 13, words: [0], unit: 1 },
  { name: 'a literal', kind: 14, aux: 8, words: [0], unit: 1, kernel: narrow },
  {
    name: 'a PLT entry',
    kind: 17,
    words: [0xe28fc600, 0xe28cca00, 0xe5bcf000],
    unit: 1,
    kernel: narrow,
  },
];

describe.each(SAMPLES)('$name', (sample) => {
  const { kind, aux = 0, words, unit, kernel = wide } = sample;
  const { reach = SPAN } = sample;
  const inside = fc.integer({ min: 0, max: SPAN / unit - 1 }).map((n) => BASE + n * unit);

  function fill(): void {
    words.forEach((word, i) => {
      kernel.view.setUint32(4 * i, word, true);
    });
  }

  it('holds each target that it can reach', () => {
    fc.assert(
      fc.property(inside, inside, inside, (place, target, base) => {
        // The PLT's entry adds; the others reach both ways.
        if (kind === 17) [place, target] = [Math.min(place, target), Math.max(place, target) + 8];
        if (Math.abs(target - place) > reach || target >= BASE + SPAN) return;
        fill();
        kernel.put(kind, aux, place, target, base);
        expect(kernel.take(kind, aux, place, base, target)).toBe(target);
        kernel.put(kind, aux, place, BASE + 16 * unit, base);
        kernel.put(kind, aux, place, target, base);
        expect(kernel.take(kind, aux, place, base, target)).toBe(target);
      }),
    );
  });

  it('has no target where nothing is loaded', () => {
    if (kind === 8) return;
    fill();
    kernel.put(kind, aux, BASE + SPAN, BASE + SPAN + 0x8000, BASE);
    expect(kernel.take(kind, aux, BASE + SPAN, BASE, BASE + SPAN + 0x8000)).toBe(NO_PLACE);
  });
});

describe('fields', () => {
  it.each([
    ['B', 6, 0, 0x54000000, wide],
    ['B.cond', 7, 0, 0x14000000, wide],
    ['TBZ', 8, 0, 0x34000000, wide],
    ['LDR of another size', 10, 3, 0xb9400041, wide],
    ['low 12 bits beyond a page', 10, 3, 0xf97ffc41, wide],
    ['Thumb BL', 11, 0, 0xf800e000, narrow],
    ['Thumb BL, now BLX', 11, 0, BLX, narrow],
    ['Thumb BLX, now BL', 11, 1, BL, narrow],
    ['Arm BL', 12, 0, 0xe1a00000, narrow],
    ['Arm BL without condition', 12, 0, 0xfa000000, narrow],
    ['PLT', 17, 0, 0xe1a00000, narrow],
  ])('%s of other bytes has no target', (_name, kind, aux, word, kernel) => {
    kernel.view.setUint32(0, word, true);
    expect(kernel.take(kind, aux, BASE + 0x2000, 0, BASE + 0x3000)).toBe(NO_PLACE);
  });

  it('ADRP: put by pages, never taken', () => {
    wide.view.setUint32(0, 0x90000005, true);
    wide.put(9, 0, BASE + 0x2ffc, BASE + 0x7123);
    expect(wide.view.getUint32(0, true)).toBe(0xb0000025);
    wide.put(9, 0, BASE + 0x2ffc, BASE + 0x123);
    expect(wide.view.getUint32(0, true)).toBe(0xd0ffffe5);
    expect(wide.take(9, 0, BASE + 0x2ffc)).toBe(NO_PLACE);
  });

  it('addresses are those of the program', () => {
    wide.put(2, 0, 0, BASE + 0x1234);
    expect(wide.view.getBigUint64(0, true)).toBe(BigInt(LOWEST + 0x1234));
    wide.view.setBigUint64(0, (1n << 32n) + BigInt(LOWEST + 0x1234), true);
    expect(wide.take(2, 0, 0)).toBe(NO_PLACE);
    wide.view.setBigUint64(0, 1n, true);
    expect(wide.take(2, 0, 0)).toBe(NO_PLACE);
    narrow.put(3, 0, 0, BASE + 0x1234);
    expect(narrow.view.getUint32(0, true)).toBe(LOWEST + 0x1234);
  });

  it('offsets count in units, below 2^31', () => {
    wide.put(15, 4, 0, 1000 + 4 * 77, 1000);
    expect(wide.view.getUint32(0, true)).toBe(77);
    expect(wide.take(15, 4, 0, 1000)).toBe(1000 + 4 * 77);
    wide.put(15, 0, 0, 1077, 1000);
    expect(wide.take(15, 0, 0, 1000)).toBe(1077);
    wide.view.setUint32(0, 0x7fffffff, true);
    expect(wide.take(15, 0, 0, 1)).toBe(NO_PLACE);
    expect(wide.take(15, 4, 0, 0)).toBe(NO_PLACE);
  });

  it('symbols count in entries, and leave the type of a 32-bit relocation', () => {
    wide.put(16, 0, 0, 5000 + 24 * 9, 5000);
    expect(wide.view.getUint32(0, true)).toBe(9);
    expect(wide.take(16, 0, 0, 5000)).toBe(5000 + 24 * 9);
    narrow.view.setUint32(0, 0x00000316, true);
    narrow.put(16, 8, 0, 5000 + 16 * 9, 5000);
    expect(narrow.view.getUint32(0, true)).toBe(0x00000916);
    expect(narrow.take(16, 8, 0, 5000)).toBe(5000 + 16 * 9);
    wide.view.setUint32(0, 0xffffffff, true);
    expect(wide.take(16, 0, 0, 5000)).toBe(NO_PLACE);
  });

  it('steps are left alone', () => {
    wide.view.setBigUint64(0, 0x0123456789abcdefn, true);
    wide.put(18, 16, 0, BASE, BASE);
    wide.put(19, 24, 0, BASE, BASE);
    expect(wide.view.getBigUint64(0, true)).toBe(0x0123456789abcdefn);
    expect(wide.take(18, 16, 0, BASE)).toBe(NO_PLACE);
  });
});
