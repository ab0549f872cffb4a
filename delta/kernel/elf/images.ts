// The executables among a pair's sources.

import { alloc } from '../memory';
import { Image } from './image';

const MAX_IMAGES: u32 = 64;

let list: usize = 0;
export let imageCount: u32 = 0;

export function openImages(): void {
  list = alloc(<usize>MAX_IMAGES << 2);
  imageCount = 0;
}

/** Sources past the 64th are left without a model. */
export function addImage(image: Image): void {
  if (imageCount === MAX_IMAGES) return;
  store<u32>(list + (<usize>imageCount << 2), <u32>changetype<usize>(image));
  imageCount++;
}

@inline
export function imageAt(index: u32): Image {
  return changetype<Image>(<usize>load<u32>(list + (<usize>index << 2)));
}

/** The image whose range of the address space holds `address`. */
@inline
export function imageOfAddress(address: u32): Image | null {
  for (let i: u32 = 0; i < imageCount; i++) {
    const image = imageAt(i);
    if (address - image.addressBase < image.addressSpan) return image;
  }
  return null;
}

/** The image whose file holds the old byte at `offset`. */
export function imageOfOffset(offset: u32): Image | null {
  for (let i: u32 = 0; i < imageCount; i++) {
    const image = imageAt(i);
    if (offset - image.fileOffset < image.fileBytes) return image;
  }
  return null;
}
