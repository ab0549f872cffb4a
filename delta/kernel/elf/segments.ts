// Images made from their loaded segments: how both a file's own program headers and the table that a
// delta carries for the new file become an Image.

import { alloc } from '../memory';
import { Image, IMAGE_BYTES, MAX_SEGMENTS, Segment, SEGMENT_BYTES } from './image';

/** Bytes of addresses that an image may span. */
export const MAX_SPAN: u32 = 1 << 30;
/** End of the address space that all images of a pair share. */
export const ADDRESS_END: u32 = 1 << 31;

/** An image without segments and sections; `addressBase` is a multiple of 64 KiB. */
export function newImage(machine: u32, fileOffset: u32, fileBytes: u32, addressBase: u32): Image {
  const image = changetype<Image>(alloc(IMAGE_BYTES));
  image.machine = machine;
  image.fileOffset = fileOffset;
  image.fileBytes = fileBytes;
  image.addressBase = addressBase;
  image.segments = alloc(<usize>MAX_SEGMENTS * SEGMENT_BYTES);
  return image;
}

/**
 * Adds a segment: `address` counts from `image.lowest`, `offset` from the file's first byte. False,
 * and nothing added, when it lies outside the file or the address space, or there are too many.
 */
export function addSegment(
  image: Image,
  address: u32,
  offset: u32,
  fileBytes: u32,
  memoryBytes: u32,
  flags: u32,
): bool {
  if (image.segmentCount === MAX_SEGMENTS || fileBytes > memoryBytes) return false;
  if (offset > image.fileBytes || fileBytes > image.fileBytes - offset) return false;
  if (address > MAX_SPAN || memoryBytes > MAX_SPAN - address) return false;
  const end = address + memoryBytes;
  if (image.addressBase > ADDRESS_END || end > ADDRESS_END - image.addressBase) return false;
  const segment = image.segment(image.segmentCount++);
  segment.address = image.addressBase + address;
  segment.offset = image.fileOffset + offset;
  segment.fileBytes = fileBytes;
  segment.memoryBytes = memoryBytes;
  segment.flags = flags;
  image.addressSpan = max(image.addressSpan, end);
  if (flags & 1) addCode(image, segment.address, fileBytes);
  return true;
}

function addCode(image: Image, from: u32, bytes: u32): void {
  if (bytes === 0) return;
  const isFirst = image.codeBytes === 0;
  const begin = isFirst ? from : min(from, image.codeFrom);
  const end = isFirst ? from + bytes : max(from + bytes, image.codeFrom + image.codeBytes);
  image.codeFrom = begin;
  image.codeBytes = end - begin;
}

/** What a reader of the delta knows of `image`: the same without sections. */
export function segmentsOnly(image: Image): Image {
  const copy = newImage(image.machine, image.fileOffset, image.fileBytes, image.addressBase);
  copy.is64 = image.is64;
  copy.lowest = image.lowest;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s: Segment = image.segment(i);
    addSegment(
      copy,
      s.address - image.addressBase,
      s.offset - image.fileOffset,
      s.fileBytes,
      s.memoryBytes,
      s.flags,
    );
  }
  return copy;
}
