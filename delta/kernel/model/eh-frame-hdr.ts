// The new .eh_frame_hdr: where its .eh_frame is, and a table of its functions by first address. All of it
// follows from the new .eh_frame, which comes right after it in the file.
// Source: Linux Standard Base 5.0, "Exception Frame Header".

import { loadDecoding, saveDecoding } from '../code/arith';
import { addressOf, Image, NO_PLACE } from '../elf/image';
import { fail, Fault } from '../fail';
import { alloc, mark, release } from '../memory';
import { codeEhRecord, ehRecordStart, rewindEhFrame } from './eh-frame';
import { EhKind, newEhRecord, newEhSection, readEhRecord, setEhSection } from './eh-records';
import { sortWords } from './sort-words';

/** Version 1; the frame's address pc-relative, the count plain, the table relative to the header. */
const ENCODINGS: u32 = 0x3b031b01;
const HEAD_BYTES: u32 = 12;
const ENTRY_SHIFT: u32 = 3;
/** Entries of a table: one with more is ordinary data. */
const MAX_ENTRIES: u32 = 131072;
/** Zero bytes between the table and the .eh_frame. */
const MAX_PADDING: u32 = 64;

/** Of the table being made: its bytes, entries, room for them, and its address. */
let table: usize = 0;
let entries: usize = 0;
let count: u32 = 0;
let capacity: u32 = 0;
let address: u32 = 0;

/** Allocates a table that reaches over `bytes` bytes to the .eh_frame; false when it cannot be one. */
function beginTable(image: Image, offset: u32, bytes: u32): bool {
  address = addressOf(image, offset);
  if (address === NO_PLACE || bytes < HEAD_BYTES) return false;
  count = 0;
  capacity = (bytes - HEAD_BYTES) >>> ENTRY_SHIFT;
  if (capacity > MAX_ENTRIES + (MAX_PADDING >>> ENTRY_SHIFT)) return false;
  entries = alloc(16 + <usize>bytes) + 16;
  table = entries - HEAD_BYTES;
  return true;
}

/** Adds the function at `start` whose record stands at `place`; false when there is no room. */
function addEntry(start: u32, place: u32): bool {
  if (count === capacity || count === MAX_ENTRIES) return false;
  // First addresses are compared as signed distances from the header.
  const key = (start - address) ^ 0x80000000;
  store<u64>(entries + ((<usize>count) << ENTRY_SHIFT), ((<u64>key) << 32) | (place - address));
  count++;
  return true;
}

/** Makes the bytes of the table; false when they do not reach over `bytes`. */
function finishTable(frame: u32, bytes: u32): bool {
  const end = HEAD_BYTES + (count << ENTRY_SHIFT);
  if (bytes - end > MAX_PADDING) return false;
  sortWords(entries, count);
  for (let i: usize = 0; i < (<usize>count) << ENTRY_SHIFT; i += 8) {
    const word = load<u64>(entries + i);
    store<u32>(entries + i, (<u32>(word >> 32)) ^ 0x80000000);
    store<u32>(entries + i, <u32>word, 4);
  }
  store<u32>(table, ENCODINGS);
  store<u32>(table, frame - (address + 4), 4);
  store<u32>(table, count, 8);
  memory.fill(table + end, 0, bytes - end);
  return true;
}

/**
 * Building: true if the `bytes` new bytes from `offset` are what {@link decodeEhTable} makes of the
 * .eh_frame of `frameBytes` bytes after them, which must be usable; new byte 0 is at `source`.
 */
export function ehTableUsable(
  image: Image,
  offset: u32,
  bytes: u32,
  frameBytes: u32,
  source: usize,
): bool {
  const base = mark();
  const isUsable =
    beginTable(image, offset, bytes) &&
    addRecords(image, offset + bytes, frameBytes, source) &&
    finishTable(addressOf(image, offset + bytes), bytes) &&
    memory.compare(table, source + <usize>offset, bytes) === 0;
  release(base);
  return isUsable;
}

function addRecords(image: Image, offset: u32, bytes: u32, source: usize): bool {
  const section = newEhSection();
  const record = newEhRecord();
  const frame = addressOf(image, offset);
  const wordBytes: u32 = image.is64 ? 8 : 4;
  setEhSection(section, offset, bytes, frame, wordBytes, source + <usize>offset);
  for (let at: u32 = 0; at < bytes; at += record.bytes) {
    if (!readEhRecord(section, at, record)) return false;
    if (record.kind === EhKind.FDE && !addEntry(record.start, frame + at)) return false;
  }
  return true;
}

/**
 * Applying: makes the `bytes` new bytes from `offset`, by a first pass over the .eh_frame of `frameBytes`
 * bytes after them, whose unit is begun; leaves that at its beginning. Returns where they are. Allocates
 * about as many bytes: the caller releases them.
 */
export function decodeEhTable(image: Image, offset: u32, bytes: u32, frameBytes: u32): usize {
  if (!beginTable(image, offset, bytes)) fail(Fault.BAD_FORMAT, offset);
  const frame = addressOf(image, offset + bytes);
  const state = alloc(32);
  saveDecoding(state);
  let at: u32 = 0;
  while (at < frameBytes) {
    const size = codeEhRecord();
    const isFull = ehRecordStart !== NO_PLACE && !addEntry(ehRecordStart, frame + at);
    if (isFull) fail(Fault.BAD_FORMAT, offset + bytes + at);
    at += size;
  }
  if (!finishTable(frame, bytes)) fail(Fault.BAD_FORMAT, offset);
  loadDecoding(state);
  rewindEhFrame();
  return table;
}
