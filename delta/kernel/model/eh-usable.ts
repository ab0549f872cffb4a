// Building: whether an .eh_frame can be coded record by record.

import { addressOf, Image, NO_PLACE } from '../elf/image';
import { mark, release } from '../memory';
import {
  EhKind,
  MAX_EH_SECTION,
  newEhRecord,
  newEhSection,
  openEhRecords,
  readEhRecord,
  setEhSection,
} from './eh-records';

/** Functions from which on it pays. */
const MIN_FUNCTIONS: u32 = 2;

/**
 * True if both sections have records of known layouts only: `oldBytes` old bytes from `oldOffset`, in
 * `old`, and `freshBytes` new ones from `freshOffset`, in `image`; new byte 0 is at `source`.
 * Comes before openEhFrame, whose buffers it uses.
 */
export function ehUsable(
  old: Image,
  oldOffset: u32,
  oldBytes: u32,
  image: Image,
  freshOffset: u32,
  freshBytes: u32,
  source: usize,
): bool {
  const base = mark();
  openEhRecords();
  const wordBytes: u32 = old.is64 ? 8 : 4;
  const isUsable =
    hasOnlyRecords(old, oldOffset, oldBytes, wordBytes, 0) &&
    hasOnlyRecords(image, freshOffset, freshBytes, wordBytes, source + <usize>freshOffset);
  release(base);
  return isUsable;
}

function hasOnlyRecords(
  image: Image,
  offset: u32,
  bytes: u32,
  wordBytes: u32,
  source: usize,
): bool {
  const address = addressOf(image, offset);
  if (address === NO_PLACE || bytes > MAX_EH_SECTION) return false;
  const section = newEhSection();
  const record = newEhRecord();
  setEhSection(section, offset, bytes, address, wordBytes, source);
  let functions: u32 = 0;
  for (let at: u32 = 0; at < bytes; at += record.bytes) {
    if (!readEhRecord(section, at, record)) return false;
    if (record.kind === EhKind.FDE) functions++;
  }
  return functions >= MIN_FUNCTIONS;
}
