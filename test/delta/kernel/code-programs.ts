import { buildElf, CODE, type Elf, LOADED, WRITABLE } from '../../../bench/fuzz/elf-builder.ts';
import { type FoundRef, ScanSession } from './scan-session.ts';

export const LOWEST = 0x400000;
/** Where `.text` begins: offset, and place in the address space. */
export const TEXT = 0x1000;

const MACHINES = { x64: 62, a64: 183, arm: 40 };
export type Machine = keyof typeof MACHINES;

/** A program with this code in `.text` and 4 KiB of data after it. */
export function program(machine: Machine, code: Uint8Array, name = '.text'): Elf {
  const fill = (view: DataView) => {
    new Uint8Array(view.buffer, view.byteOffset).set(code);
  };
  const sections = [
    { name, flags: LOADED | CODE, bytes: code.length, fill },
    { name: '.data', flags: LOADED | WRITABLE, bytes: 4096 },
  ];
  return buildElf({
    is64: machine !== 'arm',
    machine: MACHINES[machine],
    lowest: LOWEST,
    sections,
  });
}

export function scan(machine: Machine, code: Uint8Array, name?: string): FoundRef[] {
  const session = new ScanSession(program(machine, code, name).bytes, 'memory');
  return session.scanAll(session.parse());
}

/** `[offset in .text, kind, aux, target]` of each. */
export function brief(refs: FoundRef[]): number[][] {
  return refs.map((ref) => [ref.offset - TEXT, ref.kind, ref.aux, ref.target]);
}

export function words(values: number[], step: 2 | 4 = 4): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * step));
  values.forEach((value, i) => {
    if (step === 4) view.setUint32(4 * i, value >>> 0, true);
    else view.setUint16(2 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** `count` words, all `filler` but those listed by index. */
export function wordsAmid(
  count: number,
  filler: number,
  listed: Record<number, number>,
): Uint8Array {
  return words(Array.from({ length: count }, (_, i) => listed[i] ?? filler));
}

/** Numbers from 0 below 2^32, the same each time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

/** Code of many references, some across the borders of pages. */
export const CODES: Record<string, { machine: Machine; code: Uint8Array; least: number }> = {
  x64: {
    machine: 'x64',
    least: 2000,
    code: (() => {
      const next = generator(1);
      const code = new Uint8Array(0x5000);
      for (let i = 0; i + 7 <= code.length;) {
        const view = new DataView(code.buffer, i);
        if (next() % 3 === 0) {
          view.setUint8(0, next() & 255);
          i += 1;
          continue;
        }
        view.setUint8(0, next() % 2 === 0 ? 0xe8 : 0xe9);
        view.setInt32(1, (next() % code.length) - i - 5, true);
        i += 5;
      }
      return code;
    })(),
  },
  a64: {
    machine: 'a64',
    least: 2000,
    code: (() => {
      const next = generator(2);
      const some = [
        () => 0x94000000 | (next() % 256),
        () => 0x90000000 | (1 << 29) | (next() % 8),
        () => 0x91000000 | (next() & 0x3ffc00) | ((next() % 8) << 5) | (8 + (next() % 8)),
        () => 0xaa0003e0 | (next() % 256 === 0 ? next() % 8 : 9),
        () => (next() % 64 === 0 ? 0x01234567 : 0xd503201f),
      ];
      return words(Array.from({ length: 0x1400 }, () => (some[next() % 5] ?? (() => 0))()));
    })(),
  },
  arm: {
    machine: 'arm',
    least: 1400,
    code: (() => {
      const next = generator(3);
      const some = [
        () => 0xeb000000 | (next() % 256),
        () => 0xe59f0000 | ((next() % 2) << 12) | (next() & 0xffc),
        () => 0xe08f0000 | (next() % 2),
        () => next() % 0x2000,
      ];
      return words(Array.from({ length: 0x1400 }, () => (some[next() % 4] ?? (() => 0))()));
    })(),
  },
  thumb: {
    machine: 'arm',
    least: 1000,
    code: (() => {
      const next = generator(4);
      const halves: number[] = [];
      while (halves.length < 0x2800) {
        const form = next() % 6;
        if (form === 0) halves.push(0xf000, 0xf800 | (next() & 0x7fe));
        else if (form === 1) halves.push(0x4800 | (next() & 0x3ff));
        else if (form === 2) halves.push(0x4478 | (next() & 3));
        else if (form === 3) halves.push(0xf8df, ((next() & 3) << 12) | (next() & 0xffc));
        else halves.push(next() & 0x1fff, 0);
      }
      return words(halves, 2);
    })(),
  },
};
