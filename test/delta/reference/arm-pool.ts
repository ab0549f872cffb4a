// Words of literal pools whose value an instruction adds to the pc.

import { isThumbWide } from './arm.ts';
import { type ArmCode, ARM_PAGE } from './arm-code.ts';
import type { Image } from './image.ts';
import { u32 } from './word.ts';

/** The instruction that adds a word to the pc. */
export interface Adder {
  readonly address: number;
  readonly isThumb: boolean;
}

/** Bytes after a load in which its value is added. */
const ARM_REACH = 160;
const THUMB_REACH = 80;

/** For each such word of the page, or right after it, the first instruction that was found. */
export function findAdders(image: Image, code: ArmCode, page: number): Map<number, Adder> {
  const adders = new Map<number, Adder>();
  const isOpen = (word: number) =>
    word % 4 === 0 &&
    word >= page &&
    word <= page + ARM_PAGE &&
    code.has(word, 4) &&
    !adders.has(word);
  const note = (word: number, address: number, isThumb: boolean) => {
    const target = u32(code.u32(word) + address + (isThumb ? 4 : 8));
    if (image.isLoaded(target)) adders.set(word, { address, isThumb });
  };
  for (const one of [page - ARM_PAGE, page, page + ARM_PAGE]) {
    const loads = code.isThumb(one) ? thumbLoads(code, one) : armLoads(code, one);
    for (const load of loads) {
      if (!isOpen(load.word)) continue;
      const adder = load.findAdder();
      if (adder !== undefined) note(load.word, adder, load.isThumb);
    }
  }
  return adders;
}

interface PoolLoad {
  readonly word: number;
  readonly isThumb: boolean;
  readonly findAdder: () => number | undefined;
}

function* armLoads(code: ArmCode, page: number): Generator<PoolLoad> {
  const first = (Math.max(page, code.begin) + 3) & ~3;
  for (let at = first; at < page + ARM_PAGE && code.has(at, 4); at += 4) {
    const word = code.u32(at);
    if ((word & 0x0f7f0000) !== 0x051f0000) continue;
    const distance = word & 0xfff;
    const literal = at + 8 + ((word & 0x00800000) !== 0 ? distance : -distance);
    const register = (word >>> 12) & 15;
    yield { word: literal, isThumb: false, findAdder: () => armAdder(code, at + 4, register) };
  }
}

function armAdder(code: ArmCode, from: number, register: number): number | undefined {
  const stop = from + ARM_REACH - 4;
  for (let at = from; at + 4 <= stop && code.has(at, 4); at += 4) {
    const word = code.u32(at);
    const opcode = word & 0x0fff0000;
    const isAdd = opcode === 0x008f0000 || opcode === 0x079f0000;
    if (isAdd && (word & 15) === register) return at;
  }
  return undefined;
}

function* thumbLoads(code: ArmCode, page: number): Generator<PoolLoad> {
  const first = (Math.max(page, code.begin) + 1) & ~1;
  let starts = code.isThumbStart(first);
  for (let at = first; at < page + ARM_PAGE && code.has(at, 4); at += 2) {
    const half = code.u16(at);
    if (starts) yield* thumbLoad(code, at, half);
    starts = !(starts && isThumbWide(half));
  }
}

/** LDR (literal), of 16 or 32 bits. */
function* thumbLoad(code: ArmCode, at: number, half: number): Generator<PoolLoad> {
  const pc = (at + 4) & ~3;
  const second = code.u16(at + 2);
  const isWide = (half & 0xff7f) === 0xf85f;
  if (!isWide && (half & 0xf800) !== 0x4800) return;
  const register = isWide ? second >> 12 : (half >> 8) & 7;
  if (isWide && register === 15) return;
  const distance = isWide ? second & 0xfff : (half & 0xff) * 4;
  const word = isWide && (half & 0x80) === 0 ? pc - distance : pc + distance;
  const from = at + (isWide ? 4 : 2);
  yield {
    word,
    isThumb: true,
    findAdder: () => thumbAdder(code, from, at + THUMB_REACH, register),
  };
}

function thumbAdder(code: ArmCode, from: number, to: number, register: number): number | undefined {
  const adder = register < 8 ? 0x4478 | register : 0x44f8 | (register - 8);
  for (let at = from; at + 2 <= to && code.has(at, 2); at += 2) {
    if (code.u16(at) === adder) return at;
  }
  return undefined;
}
