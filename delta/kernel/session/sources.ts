// The old files of a pair, one after another in the space of old bytes.

import { Image, Machine } from '../elf/image';
import { addImage, imageAt, imageCount, openImages } from '../elf/images';
import { parseImage } from '../elf/parse';
import { alloc } from '../memory';

/** Images begin at multiples of this in the address space. */
const ADDRESS_STEP: u32 = 0x10000;

let list: usize = 0;
let sourceCount: u32 = 0;

export function openSources(count: u32): void {
  sourceCount = count;
  list = alloc(<usize>count << 3);
}

/** Source `index` is `bytes` old bytes from `offset`. */
export function setSource(index: u32, offset: u32, bytes: u32): void {
  if (index >= sourceCount) return;
  store<u32>(list + (<usize>index << 3), offset);
  store<u32>(list + (<usize>index << 3), bytes, 4);
}

/** Finds the executables among the sources; those of another machine than the first are bytes only. */
export function parseSources(): void {
  openImages();
  let address: u32 = 0;
  let machine: u32 = Machine.NONE;
  for (let i: u32 = 0; i < sourceCount; i++) {
    const at = list + (<usize>i << 3);
    const image = parseImage(load<u32>(at), load<u32>(at, 4), address);
    if (image.machine === Machine.NONE) continue;
    if (machine !== Machine.NONE && image.machine !== machine) continue;
    const span = (image.addressSpan + ADDRESS_STEP) & ~(ADDRESS_STEP - 1);
    if (span > 0x7fffffff - address) continue;
    machine = image.machine;
    addImage(image);
    address += span;
  }
}

/** Machine of the sources' executables, NONE without any. */
export function sourceMachine(): u32 {
  return imageCount === 0 ? Machine.NONE : imageAt(0).machine;
}

/** The executable that the new file's segments are told by. */
export function firstImage(): Image {
  return imageAt(0);
}
