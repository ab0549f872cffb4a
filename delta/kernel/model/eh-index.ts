// The n-th record of the old .eh_frame: by the first record that begins in each 4 KiB of it.

import { fail, Fault } from '../fail';
import { alloc } from '../memory';
import { EhRecord, EhSection, readEhRecord, recordBytes } from './eh-records';

const PIECE_SHIFT: u32 = 12;

let section: EhSection = changetype<EhSection>(0);
/** 8 bytes for each piece: where its first record begins, and the number of records before that. */
let pieces: usize = 0;
let pieceCount: u32 = 0;
/** Records of the section. */
export let ehRecordCount: u32 = 0;

/** The record last found, where it begins, and its bytes if they are known, else 0. */
let lastIndex: u32 = 0;
let lastAt: u32 = 0;
let lastBytes: u32 = 0;

/** Counts the records of `of`; allocates 8 bytes for each 4 KiB. */
export function indexEhRecords(records: EhSection): void {
  section = records;
  pieceCount = (records.bytes + (1 << PIECE_SHIFT) - 1) >>> PIECE_SHIFT;
  pieces = alloc((<usize>pieceCount) << 3);
  let piece: u32 = 0;
  let at: u32 = 0;
  ehRecordCount = 0;
  while (at < records.bytes) {
    const bytes = recordBytes(records, at);
    if (bytes === 0) fail(Fault.BAD_FORMAT, at);
    for (; piece <= at >>> PIECE_SHIFT; piece++) setPiece(piece, at);
    ehRecordCount++;
    at += bytes;
  }
  for (; piece < pieceCount; piece++) setPiece(piece, at);
  lastIndex = lastAt = lastBytes = 0;
}

function setPiece(piece: u32, at: u32): void {
  store<u32>(pieces + ((<usize>piece) << 3), at);
  store<u32>(pieces + ((<usize>piece) << 3), ehRecordCount, 4);
}

@inline
function indexOf(piece: u32): u32 {
  return load<u32>(pieces + ((<usize>piece) << 3), 4);
}

/** Reads the record of that index, which must be below {@link ehRecordCount}. */
@inline
export function readEhRecordOf(index: u32, record: EhRecord): void {
  const at = placeOf(index);
  if (!readEhRecord(section, at, record)) fail(Fault.BAD_FORMAT, at);
  lastBytes = record.bytes;
}

@inline
function placeOf(index: u32): u32 {
  if (index < lastIndex || index - lastIndex > 1) startNear(index);
  while (lastIndex < index) {
    const bytes = lastBytes !== 0 ? lastBytes : recordBytes(section, lastAt);
    if (bytes === 0) fail(Fault.BAD_FORMAT, lastAt);
    lastAt += bytes;
    lastBytes = 0;
    lastIndex++;
  }
  return lastAt;
}

/** Goes to the first record of the last piece that does not begin after record `index`. */
function startNear(index: u32): void {
  let low: u32 = 0;
  let high = pieceCount - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (indexOf(middle) <= index) low = middle;
    else high = middle - 1;
  }
  lastIndex = indexOf(low);
  lastAt = load<u32>(pieces + ((<usize>low) << 3));
  lastBytes = 0;
}
