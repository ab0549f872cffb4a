// The fast profile: what the models would code bit by bit goes into four streams of bytes, which the
// host compresses.

import { fail, Fault } from '../fail';
import { alloc } from '../memory';

export const enum Stream {
  /** Numbers (LEB128) and decisions (a byte each). */
  NUMBERS = 0,
  /** Equal bytes before each difference (LEB128). */
  GAPS = 1,
  /** The differences. */
  VALUES = 2,
  LITERALS = 3,
}

export const STREAMS: u32 = 4;

/** True in the fast profile: no mixing, no arithmetic coder. */
export let isPlain: bool = false;

/** For each stream: first byte, next byte, end. */
let places: usize = 0;
const ENTRY: usize = 12;

export function openPlain(on: bool): void {
  isPlain = on;
  places = alloc(ENTRY * STREAMS);
}

@inline
function entry(stream: u32): usize {
  return places + <usize>stream * ENTRY;
}

/** Stream `stream` is written to, or read from, `length` bytes at `from`. */
export function setPlain(stream: u32, from: usize, length: u32): void {
  const at = entry(stream);
  store<u32>(at, <u32>from);
  store<u32>(at, <u32>from, 4);
  store<u32>(at, <u32>from + length, 8);
}

/** Where the stream begins. */
export function plainStart(stream: u32): usize {
  return load<u32>(entry(stream));
}

/** Bytes written or read so far. */
export function plainBytes(stream: u32): u32 {
  return load<u32>(entry(stream), 4) - load<u32>(entry(stream));
}

/** Bytes left to read. */
@inline
export function plainLeft(stream: u32): u32 {
  return load<u32>(entry(stream), 8) - load<u32>(entry(stream), 4);
}

/** Steps over `length` bytes, which the caller writes or reads at the place returned. */
@inline
export function passPlain(stream: u32, length: u32): usize {
  const at = entry(stream);
  const next = load<u32>(at, 4);
  if (length > load<u32>(at, 8) - next) fail(Fault.BAD_FORMAT, stream);
  store<u32>(at, next + length, 4);
  return next;
}

@inline
export function putPlain(stream: u32, byte: u32): void {
  store<u8>(passPlain(stream, 1), <u8>byte);
}

@inline
export function takePlain(stream: u32): u32 {
  return load<u8>(passPlain(stream, 1));
}

export function putPlainNumber(stream: u32, value: u32): void {
  let rest = value;
  for (; rest > 127; rest >>>= 7) putPlain(stream, (rest & 127) | 128);
  putPlain(stream, rest);
}

@inline
export function takePlainNumber(stream: u32): u32 {
  let value: u32 = 0;
  let shift: u32 = 0;
  let byte: u32 = 128;
  while (byte > 127) {
    byte = takePlain(stream);
    if (shift === 28 && byte > 15) fail(Fault.BAD_FORMAT, stream);
    value |= (byte & 127) << shift;
    shift += 7;
  }
  return value;
}

/** Codes a decision or a small number as it is. */
@inline
export function codePlain(encoding: bool, stream: u32, byte: u32): u32 {
  if (!encoding) return takePlain(stream);
  putPlain(stream, byte);
  return byte;
}

/** Keeps in 4 words at `to` how far each stream is; {@link loadPlain} goes back. */
export function savePlain(to: usize): void {
  for (let i: u32 = 0; i < STREAMS; i++) {
    store<u32>(to + (<usize>i << 2), load<u32>(entry(i), 4));
  }
}

export function loadPlain(from: usize): void {
  for (let i: u32 = 0; i < STREAMS; i++) {
    store<u32>(entry(i), load<u32>(from + (<usize>i << 2)), 4);
  }
}
