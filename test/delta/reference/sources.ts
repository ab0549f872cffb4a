import type { Bytes } from './bytes.ts';
import { parseElf } from './elf.ts';
import type { Image } from './image.ts';

/** Images begin at multiples of this in the address space. */
const ADDRESS_STEP = 0x10000;
const MAX_IMAGES = 64;

/** A range of the old bytes that was one file. */
export interface Source {
  readonly offset: number;
  readonly bytes: number;
}

/** The executables among the sources; those of another machine than the first are bytes only. */
export function parseSources(old: Bytes, sources: readonly Source[]): Image[] {
  const images: Image[] = [];
  let address = 0;
  for (const source of sources) {
    const image = parseElf(old, source.offset, source.bytes, address);
    if (!image || (images[0] && image.machine !== images[0].machine)) continue;
    const span = (image.addressSpan + ADDRESS_STEP) & ~(ADDRESS_STEP - 1);
    if (span > 0x7fffffff - address) continue;
    if (images.length < MAX_IMAGES) images.push(image);
    address += span;
  }
  return images;
}
