import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernel, startKernel } from './compile.ts';
import { buildElf, CODE, LOADED } from '../../../bench/fuzz/elf-builder.ts';

const ENTRY = `
import { openOld } from 'kernel/old';
import { alloc } from 'kernel/memory';
import { Image } from 'kernel/elf/image';
import { parseImage } from 'kernel/elf/parse';
import { openScan } from 'kernel/scan/emit';
import { putField, takeField } from 'kernel/refs/fields';
import { distanceOf, Form, rv64Form, withDistance } from 'kernel/refs/short-forms';
export { alloc };
export function open(size: u32, base: usize): usize {
  openOld(size, base);
  openScan();
  return changetype<usize>(parseImage(0, size, 0));
}
export function put(kind: u32, at: usize, place: u32, target: u32, base: u32, image: usize): void {
  putField(kind, 0, at, place, target, base, changetype<Image>(image));
}
export function take(kind: u32, at: usize, place: u32, image: usize): u32 {
  return takeField(kind, 0, at, place, 0, 0, changetype<Image>(image));
}
export function form(half: u32): u32 { return rv64Form(half); }
export function distance(half: u32): i32 { return distanceOf(rv64Form(half), half); }
export function moved(half: u32, distance: i32): u32 {
  return withDistance(rv64Form(half), half, distance);
}
`;

const NO_PLACE = 0xffffffff;
const SPAN = 0x180000;
const CALLS = ['open', 'put', 'take', 'form', 'distance', 'moved'] as const;

const { run, memory, put } = startKernel(compileKernel(ENTRY), CALLS);
const { bytes } = buildElf({
  is64: true,
  machine: 243,
  lowest: 0x10000,
  sections: [{ name: '.text', flags: LOADED | CODE, bytes: SPAN }],
});
const image = run.open(bytes.length, put(bytes));
const at = run.alloc(16);
const view = new DataView(memory.buffer, at, 8);

function write(words: readonly number[]): void {
  words.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
}

const words = () => [view.getUint32(0, true), view.getUint32(4, true)];

describe.each([
  { name: 'JAL', kind: 22, field: [0x000000ef], unit: 2, reach: 0xffffe, others: [0x63, 0x67] },
  { name: 'BGEU', kind: 23, field: [0x00b57063], unit: 2, reach: 0xffe, others: [0x6f, 0x2063] },
  { name: 'AUIPC, ADDI', kind: 24, field: [0x00000517, 0x00050513], unit: 1, others: [0x537] },
  { name: 'AUIPC, SD', kind: 24, field: [0x00000517, 0x00b53023], unit: 1, others: [0x597] },
  { name: 'AUIPC, JALR', kind: 24, field: [0x00000097, 0x000080e7], unit: 2, others: [0x17] },
])('$name', ({ kind, field, unit, reach = SPAN, others }) => {
  const inside = fc.integer({ min: 0, max: SPAN / unit - 1 }).map((n) => n * unit);

  it('holds each target that it can reach, and nothing else changes', () => {
    const property = fc.property(inside, inside, (place, target) => {
      if (Math.abs(target - place) > reach) return;
      write(field);
      run.put(kind, at, place, target, 0, image);
      expect(run.take(kind, at, place, image) >>> 0).toBe(target);
      run.put(kind, at, place, place, 0, image);
      expect(words().slice(0, field.length)).toEqual(field);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('is not taken from other instructions', () => {
    for (const other of others) {
      write([other, ...field.slice(1)]);
      expect(run.take(kind, at, 0x2000, image) >>> 0).toBe(NO_PLACE);
    }
  });
});

it('an AUIPC and what adds to it later hold the two parts', () => {
  write([0x00001517, 0xff053503]);
  run.put(25, at, 0x2000, 0x12fff, 0, image);
  // 0x10fff on: 0x11000, and -1.
  expect(words()[0]).toBe(0x00011517);
  expect(run.take(25, at, 0x2000, image) >>> 0).toBe(NO_PLACE);
  write([0xff053503]);
  run.put(26, at, 0x2010, 0x12fff, 0x2000, image);
  expect(words()[0]).toBe(0xfff53503);
  write([0x00b53423]);
  run.put(26, at, 0x2010, 0x12fff, 0x2000, image);
  expect(words()[0]).toBe(0xfeb53fa3);
});

describe('compressed jumps', () => {
  it.each([
    ['c.j 2', 0xa009, 2],
    ['c.j -2', 0xbffd, -2],
    ['c.j -2048', 0xb001, -2048],
    ['c.j 2046', 0xaffd, 2046],
    ['c.beqz a0, 8', 0xc501, 8],
    ['c.bnez s1, -4', 0xfcf5, -4],
    ['c.beqz s0, 254', 0xcc7d, 254],
    ['c.bnez a5, -256', 0xf381, -256],
  ])('%s', (_name, half, distance) => {
    expect(run.form(half)).not.toBe(0);
    expect(run.distance(half)).toBe(distance);
  });

  it('hold each distance', () => {
    for (let distance = -2048; distance < 2048; distance += 2) {
      expect(run.distance(run.moved(0xa001, distance))).toBe(distance);
      if (distance < -256 || distance > 254) continue;
      const half = run.moved(0xe481, distance);
      expect(run.distance(half)).toBe(distance);
      expect(half & 0xe383).toBe(0xe081);
    }
  });

  it('are no other instructions', () => {
    for (const half of [0x2001, 0x4001, 0x8001, 0x9002, 0xa002, 0xe000, 0x6f]) {
      expect(run.form(half)).toBe(0);
    }
  });
});
