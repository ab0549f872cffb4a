// Arm or Thumb: each 4 KiB of addresses, as far as one section goes, is taken for one or the other as
// a whole. Most Arm instructions have the condition "always"; of Thumb code and data few words look so.

import { Image, Role, Section } from '../elf/image';
import { readOld } from '../old';
import { scanBuffer } from './emit';

export const ARM_PAGE: u32 = 4096;

/** True if the words, aligned, from `from` to `to` look like Thumb code. */
export function isThumbCode(from: usize, to: usize): bool {
  let words: u32 = 0;
  let always: u32 = 0;
  for (let at = from; at + 4 <= to; at += 4) {
    words++;
    always += <u32>(load<u8>(at, 3) >> 4 === 14);
  }
  return always * 2 < words;
}

/** What {@link isThumbAt} answered last, and for which offsets. */
let isThumb: bool = false;
let from: u32 = 0;
let bytes: u32 = 0;

/** Forgets the last answer; once a session. */
export function openArmMode(): void {
  bytes = 0;
}

/** True if the byte at `offset` of an image's code, at address `place`, is of Thumb code. */
export function isThumbAt(image: Image, offset: u32, place: u32): bool {
  if (offset - from < bytes) return isThumb;
  from = offset;
  bytes = 1;
  isThumb = false;
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    if (offset - section.offset < section.bytes) decide(section, offset, place);
  }
  return isThumb;
}

function decide(section: Section, offset: u32, place: u32): void {
  const inPage = place & (ARM_PAGE - 1);
  from = offset - min(inPage, offset - section.offset);
  bytes = min(offset - from + ARM_PAGE - inPage, section.offset + section.bytes - from);
  if (section.role !== Role.CODE) return;
  const skip = (offset - from - place) & 3;
  const at = readOld(from, bytes, scanBuffer);
  isThumb = isThumbCode(at + <usize>skip, at + <usize>bytes);
}
