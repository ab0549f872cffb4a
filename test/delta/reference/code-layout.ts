// What kind of code old bytes are.

import { Bytes } from './bytes.ts';
import { Machine } from './image.ts';
import type { Output } from './output.ts';
import { imageAt, type Pair } from './pair.ts';
import { isStart } from './rv64.ts';
import type { Layout } from './word-units.ts';

/** True for machines whose instructions have 4 bytes. */
export function isWordy(machine: Machine): boolean {
  return machine === Machine.a64 || machine === Machine.a32;
}

/** Bytes before the next one that tell where a RISC-V instruction begins. */
const LOOK_BACK = 32;

/** The next byte's place in its RISC-V instruction: 2 or 3 in a second halfword. */
export function placeInRv64({ bytes, start, at }: Output): number {
  const half = at & ~1;
  const least = Math.max(start, half - LOOK_BACK);
  const made = new Bytes(bytes);
  return (at & 1) + (isStart(half, least, (one) => made.u16(one)) ? 0 : 2);
}

/** True if the old byte lies in x86-64 code. */
export function isX64Code(pair: Pair, old: number): boolean {
  const image = imageAt(pair, old);
  return image?.machine === Machine.x64 && image.sectionAt(old)?.role === 'code';
}

/** How the A64 or Arm code that the old byte lies in is encoded. */
export function layoutAt(pair: Pair, old: number): Layout | undefined {
  const image = imageAt(pair, old);
  if (image?.sectionAt(old)?.role !== 'code') return undefined;
  if (image.machine === Machine.a64) return 'a64';
  if (image.machine !== Machine.a32) return undefined;
  const place = image.addressOf(old);
  if (place === undefined) return undefined;
  return pair.armModes.isThumb(image, old, place) ? 'thumb' : 'a32';
}
