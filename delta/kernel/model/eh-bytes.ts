// The bytes of a record that is not as predicted: field by field against the predicted record, then its
// program, where insertions and deletions are followed.

import { encoding } from '../code/arith';
import { fail, Fault } from '../fail';
import { codeEhByte } from './eh-code';
import { beginProgram, noteProgramByte, programState } from './eh-program';
import { EhKind, MAX_RECORD } from './eh-records';
import {
  AUGMENTATION_AT,
  CIE_AT,
  copyTemplate,
  DATA_AT,
  RANGE_AT,
  START_AT,
  template,
  templateBytes,
} from './eh-template';
import { completeTemplate, freshAddress, freshSource, old, oldRecord } from './eh-unit';

/** Fields after the first 16 bytes, and the bytes of a record without a function. */
const enum Part {
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
@inline
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
 * Codes a record of at most `room` bytes to `to`, which has room for MAX_RECORD and the last record's end
 * before it; returns how many bytes it has. The template is made.
 */
export function codeEhBytes(to: usize, room: u32, isInserted: bool): u32 {
  const source = freshSource();
  before = bswap(load<u32>(to - 4));
  beginProgram();
  if (room < 4) fail(Fault.BAD_FORMAT, room);
  let i = codeHead(source, to, 0, CIE_AT);
  const length = load<u32>(to);
  if (length === 0) return 4;
  if (length < 8 || length > MAX_RECORD - 4 || length > room - 4) fail(Fault.BAD_FORMAT, length);
  const bytes = length + 4;
  i = codeHead(source, to, i, START_AT);
  const isFunction = oldRecord.kind === EhKind.FDE && bytes > AUGMENTATION_AT;
  if (isFunction) {
    i = codeHead(source, to, i, RANGE_AT);
    copyTemplate(old, oldRecord);
    completeTemplate(freshAddress() + START_AT + load<u32>(to, START_AT), isInserted);
    i = codeHead(source, to, i, DATA_AT);
    const program = min(bytes, DATA_AT + <u32>load<u8>(to, AUGMENTATION_AT));
    for (; i < program; i++) codeOne(source, to, i, i, partOf(Part.LSDA, bytes - i), Part.LSDA);
  }
  codeRest(source, to, i, bytes, isFunction ? Part.PROGRAM : Part.PLAIN);
  return bytes;
}

/** Codes bytes of fixed fields from `i` up to `end`; returns `end`. */
function codeHead(source: usize, to: usize, i: u32, end: u32): u32 {
  for (; i < end; i++) codeOne(source, to, i, i, i, i);
  return end;
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
