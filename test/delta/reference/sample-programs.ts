// Small programs with code, and their next versions.

import {
  buildElf,
  CODE,
  LOADED,
  type SectionSpec,
  WRITABLE,
} from '../../../bench/fuzz/elf-builder.ts';
import { random } from '../support.ts';

export type SampleMachine = 'x64' | 'a64' | 'a32' | 'thumb' | 'rv64';

const NUMBERS: Readonly<Record<SampleMachine, number>> = {
  x64: 62,
  a64: 183,
  a32: 40,
  thumb: 40,
  rv64: 243,
};

/** One function of a sample program: the same for the same seed wherever it stands. */
interface SampleFunction {
  readonly seed: number;
  readonly words: number;
}

/** A program of functions that call each other and read data. */
export function sampleProgram(machine: SampleMachine, functions: readonly number[]): Uint8Array {
  const is64 = machine !== 'a32' && machine !== 'thumb';
  const made = functions.map((seed) => ({ seed, words: 24 + (seed % 17) }));
  const code: SectionSpec = {
    name: '.text',
    flags: LOADED | CODE,
    bytes: made.reduce((sum, one) => sum + 4 * one.words, 0),
    fill: (view, places) => {
      writeCode(view, machine, made, places.offset('.text'), places.offset('.data'));
    },
  };
  const word = is64 ? 8 : 4;
  const data: SectionSpec = {
    name: '.data',
    flags: LOADED | WRITABLE,
    bytes: word * made.length,
    fill: (view, places) => {
      startsOf(made).forEach((start, i) => {
        const value = places.address('.text') + start;
        if (is64) view.setBigUint64(word * i, BigInt(value), true);
        else view.setUint32(word * i, value, true);
      });
    },
  };
  const sections = [code, data];
  return buildElf({ is64, machine: NUMBERS[machine], lowest: 0x400000, sections }).bytes;
}

/** Functions of a program and of its next version: some are gone, new or changed. */
export function twoVersions(seed: number, count: number): readonly [number[], number[]] {
  const next = random(seed);
  const old = Array.from({ length: count }, next);
  const fresh = old.flatMap((one) => {
    const chance = next() % 20;
    if (chance === 0) return [];
    return chance === 1 ? [one, next()] : chance === 2 ? [next()] : [one];
  });
  return [old, fresh];
}

function startsOf(functions: readonly SampleFunction[]): number[] {
  let at = 0;
  return functions.map(({ words }) => {
    const start = at;
    at += 4 * words;
    return start;
  });
}

function writeCode(
  view: DataView,
  machine: SampleMachine,
  functions: readonly SampleFunction[],
  text: number,
  data: number,
): void {
  const starts = startsOf(functions);
  functions.forEach(({ seed, words }, i) => {
    const next = random(seed);
    const start = starts[i] ?? 0;
    for (let at = start; at < start + 4 * words; at += 4) {
      // The same function is called from wherever this one stands.
      const callee = starts[next() % starts.length] ?? 0;
      const place = { at: text + at, code: text + callee, data: data + 8 * (next() % 64) };
      view.setUint32(at, instruction(machine, next, place), true);
    }
  });
}

interface Place {
  readonly at: number;
  readonly code: number;
  readonly data: number;
}

/** Four bytes of code: calls, conditional jumps, addresses, and operations of registers. */
function instruction(machine: SampleMachine, next: () => number, place: Place): number {
  const what = next() % 8;
  switch (machine) {
    case 'a64':
      return a64Word(what, next, place);
    case 'a32':
      return a32Word(what, next, place);
    case 'thumb':
      return thumbWord(what, next, place);
    case 'x64':
      return x64Word(what, next);
    case 'rv64':
      return rv64Word(what, next, place);
  }
}

function a64Word(what: number, next: () => number, { at, code, data }: Place): number {
  const register = next() & 7;
  if (what === 0) return (0x94000000 | (((code - at) >> 2) & 0x3ffffff)) >>> 0;
  if (what === 1) return (0x54000000 | ((next() & 15) << 5) | (next() & 7)) >>> 0;
  if (what === 2) {
    const pages = (data >> 12) - (at >> 12);
    return (0x90000000 | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5) | register) >>> 0;
  }
  if (what === 3) return (0x91000000 | ((data & 0xfff) << 10) | (register << 5) | register) >>> 0;
  if (what === 4) return (0xf9400000 | ((next() & 63) << 10) | (register << 5) | 9) >>> 0;
  return (0x8b000000 | ((next() & 31) << 16) | ((next() & 31) << 5) | (next() & 31)) >>> 0;
}

function a32Word(what: number, next: () => number, { at, code }: Place): number {
  if (what === 0) return (0xeb000000 | (((code - at - 8) >> 2) & 0xffffff)) >>> 0;
  if (what === 1) return (0xe51f0000 | ((next() & 7) << 12) | (next() & 0xfc)) >>> 0;
  if (what === 2) return (0xe08f0000 | ((next() & 7) << 12) | (next() & 7)) >>> 0;
  return (0xe0800000 | ((next() & 0x77) << 12) | (next() & 15)) >>> 0;
}

function thumbWord(what: number, next: () => number, { at, code }: Place): number {
  const half = () => 0x1800 | (next() & 0x1ff);
  if (what === 0) {
    const distance = code - at - 4;
    const first = 0xf000 | ((distance >> 12) & 0x7ff);
    return (first | ((0xf800 | ((distance >> 1) & 0x7ff)) << 16)) >>> 0;
  }
  if (what === 1) return (0xd000 | (next() & 0x7ff) | (half() << 16)) >>> 0;
  if (what === 2) return (0x4800 | (next() & 0x707) | ((0x4478 | (next() & 7)) << 16)) >>> 0;
  return (half() | (half() << 16)) >>> 0;
}

/** Calls, AUIPCs with what is added to them at once or later, jumps and moves of 16 bits. */
function rv64Word(what: number, next: () => number, { at, code, data }: Place): number {
  const register = 8 + (next() & 1);
  const half = () => 0x8082 | ((next() & 7) << 2) | (register << 7);
  if (what === 0) {
    const far = code - at;
    const low = ((far & 0x100000) << 11) | ((far & 0x7fe) << 20) | ((far & 0x800) << 9);
    return (0xef | low | (far & 0xff000)) >>> 0;
  }
  if (what === 1) return (0x63 | ((next() & 15) << 8) | ((next() & 7) << 12)) >>> 0;
  if (what === 2) return (0x17 | (register << 7) | ((data - at + 0x800) & ~0xfff)) >>> 0;
  if (what === 3) return (0x13 | (register << 7) | (register << 15) | ((data - at) << 20)) >>> 0;
  if (what === 4) return (0x3023 | (register << 15) | ((next() & 15) << 7)) >>> 0;
  if (what === 5) return (0xa001 | (next() & 0x1ffc) | (half() << 16)) >>> 0;
  if (what === 6) return (0xc001 | (next() & 0x3ffc) | (half() << 16)) >>> 0;
  return (half() | (half() << 16)) >>> 0;
}

/** Calls and rip-relative operands begin at any byte; most lead nowhere. */
function x64Word(what: number, next: () => number): number {
  const bytes = next();
  if (what === 0) return (0xe8 | ((bytes & 0xff) << 8)) >>> 0;
  if (what === 1) return (0x058b48 | ((bytes & 0xff) << 24)) >>> 0;
  if (what === 2) return (0x74 | ((bytes & 0x1f) << 8) | 0x89480000) >>> 0;
  if (what === 3) return 0xb8;
  return (0xc08948 | ((bytes & 0x3f) << 24)) >>> 0;
}
