// How the instructions of old code are encoded.

import { addressOf, Image, Machine, NO_PLACE, Role } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { isThumbAt } from '../scan/arm-mode';
import { Layout } from './word-units';

/** The layout of the code at old offset `offset`, NONE where it is none. */
export function layoutAt(offset: u32): Layout {
  const image = imageOfOffset(offset);
  if (image === null || (image.machine !== Machine.A64 && image.machine !== Machine.A32)) {
    return Layout.NONE;
  }
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const s = image.section(i);
    if (offset - s.offset >= s.bytes) continue;
    return s.role === Role.CODE ? layoutOf(image, offset) : Layout.NONE;
  }
  return Layout.NONE;
}

function layoutOf(image: Image, offset: u32): Layout {
  if (image.machine === Machine.A64) return Layout.A64;
  const place = addressOf(image, offset);
  if (place === NO_PLACE) return Layout.NONE;
  return isThumbAt(image, offset, place) ? Layout.THUMB : Layout.A32;
}
