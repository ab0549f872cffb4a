// What kind of code old bytes are.

import { Machine } from './image.ts';
import { imageAt, type Pair } from './pair.ts';
import type { Layout } from './word-units.ts';

/** True for machines whose instructions have 4 bytes. */
export function isWordy(machine: Machine): boolean {
  return machine === Machine.a64 || machine === Machine.a32;
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
