// The bytes of a record that is not as predicted: field by field against the predicted record, then its
// program, where insertions and deletions are followed.

import { encoding } from '../code/arith';
import { fail, Fault } from '../fail';
import { codeEhByte } from './eh-code';
import { EhKind, EhRecord, EhSection, MAX_RECORD } from './eh-records';
import { copyTemplate, AUGMENTATION_AT, DATA_AT, START_AT, predictTail, template, templateBytes } from './eh-template';
import { beginProgram, noteProgramByte, programState } from './eh-program';

/** Fields after the first 16 bytes, and the bytes of a record without a function. */
const enum Part {
  AUGMENTATION = 16,
  LSDA = 17,
  PROGRAM = 18,
  PLAIN = 19,
}

/** Added to the part of the last 8 bytes. */
const NEAR_END: u32 = 8;
/** How far the place in the template may jump. */
const REACH: u32 = 10;

let before: u32 = 0;

@inline
function templateAt(index: u32): u32 {
  return index < templateBytes ? <u32>load<u8>(template + index) : 0;
}

/** Codes one byte, `index` bytes after `to`, told by the template's byte `from`. */
function codeOne(source: usize, to: usize, index: u32, from: u32, part: u32, state: u32): u32 {
  const known = encoding ? <u32>load<u8>(source + index) : 0;
  const expected = templateAt(from);
  const last = from > 0 ? templateAt(from - 1) : 0;
  const byte = codeEhByte(known, part, state, expected, templateAt(from + 1), last, before);
  before = (before << 8) | byte;
  store<u8>(to + index, byte);
  return byte;
}

/**
 * Codes a record to `to`, with room for MAX_RECORD bytes; building, it is at `source`. At most `room`
 * bytes; returns how many.
 */
export function codeEhBytes(
  source: usize,
  to: usize,
  room: u32,
  last: u32,
  old: EhSection,
  record: EhRecord,
  oldAddress: u32,
  address: u32,
  isInserted: bool,
  until: u32,
): u32 {
  before = last;
  beginProgram();
  if (room < 4) fail(Fault.BAD_FORMAT, room);
  for (let i: u32 = 0; i < 4; i++) codeOne(source, to, i, i, i, i);
  const length = load<u32>(to);
  if (length === 0) return 4;
  if (length < 8 || length > MAX_RECORD - 4 || length > room - 4) fail(Fault.BAD_FORMAT, length);
  const bytes = length + 4;
  let i: u32 = 4;
  for (; i < 8; i++) codeOne(source, to, i, i, i, i);
  const isFunction = record.kind === EhKind.FDE && bytes > AUGMENTATION_AT;
  if (isFunction) {
    for (; i < 12; i++) codeOne(source, to, i, i, i, i);
    const start = address + START_AT + load<u32>(to, START_AT);
    copyTemplate(old, record);
    predictTail(record, oldAddress, start, address, isInserted, until);
    for (; i <= AUGMENTATION_AT; i++) codeOne(source, to, i, i, i, i);
    const program = min(bytes, DATA_AT + <u32>load<u8>(to, AUGMENTATION_AT));
    for (; i < program; i++) codeOne(source, to, i, i, partOf(Part.LSDA, bytes - i), Part.LSDA);
  }
  codeRest(source, to, i, bytes, isFunction ? Part.PROGRAM : Part.PLAIN);
  return bytes;
}

@inline
function partOf(part: u32, left: u32): u32 {
  return left < 8 ? part + NEAR_END : part;
}

function codeRest(source: usize, to: usize, first: u32, bytes: u32, part: u32): void {
  let from = first;
  for (let i = first; i < bytes; i++, from++) {
    const state = part === Part.PROGRAM ? programState() : part;
    const expected = templateAt(from);
    const byte = codeOne(source, to, i, from, partOf(part, bytes - i), state);
    noteProgramByte(byte);
    if (byte !== expected) from = placeAfter(from);
  }
}

/** The place in the template near `from` that has the last two coded bytes, farther off the last three. */
function placeAfter(from: u32): u32 {
  for (let distance: u32 = 0; distance <= REACH; distance++) {
    if (from >= distance + DATA_AT && agrees(from - distance, distance)) return from - distance;
    if (agrees(from + distance, distance)) return from + distance;
  }
  return from;
}

@inline
function agrees(place: u32, distance: u32): bool {
  return (
    place >= DATA_AT &&
    place < templateBytes &&
    <u32>load<u8>(template + place) === (before & 255) &&
    <u32>load<u8>(template + place - 1) === ((before >>> 8) & 255) &&
    (distance < 5 || <u32>load<u8>(template + place - 2) === ((before >>> 16) & 255))
  );
}
