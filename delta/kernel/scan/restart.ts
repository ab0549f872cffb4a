// A scan of records that follow each other can only begin where a record begins. So each 4 KiB of such
// a section has the first record that begins in it or later noted when the image is opened.

import { Section } from '../elf/image';
import { alloc } from '../memory';

const UNIT_SHIFT: u32 = 12;

/** The first unit of the section being noted that has no record yet. */
let open: u32 = 0;

function unitsOf(section: Section): u32 {
  return ((section.bytes - 1) >> UNIT_SHIFT) + 1;
}

/** Begins to note records of `section`, ascending. */
export function openRestart(section: Section): void {
  section.restart = alloc(<usize>unitsOf(section) * 4);
  open = 0;
}

/** Notes that record `value` begins `offset` bytes after the section's first. */
export function noteRecord(section: Section, offset: u32, value: u32): void {
  if (open > offset >> UNIT_SHIFT) return;
  fillTo(section, (offset >> UNIT_SHIFT) + 1, value);
}

/** Ends the notes; where no further record begins, `none` is noted. */
export function closeRestart(section: Section, none: u32): void {
  fillTo(section, unitsOf(section), none);
}

function fillTo(section: Section, end: u32, value: u32): void {
  for (; open < end; open++) store<u32>(section.restart + <usize>open * 4, value);
}

/** The record noted for the 4 KiB that byte `offset` of the section lies in. */
export function restartAt(section: Section, offset: u32): u32 {
  return load<u32>(section.restart + <usize>(offset >> UNIT_SHIFT) * 4);
}
