// Binary arithmetic coder: 32-bit range, probabilities of 20 bits, a byte at a time and no carry.

import { fail, Fault } from '../fail';
import { spend } from './cost';
import { isPlain, loadPlain, savePlain } from './plain';

/** True while building, false while applying. */
export let encoding: bool = false;
/** True while the models only learn: nothing is written or read. */
export let training: bool = false;

let low: u32 = 0;
let high: u32 = 0;
let code: u32 = 0;
/** Next byte to write or to read, and where the bytes end. */
let at: usize = 0;
let end: usize = 0;
/** Bytes that were read after the end; a few are read ahead, more are a fault. */
let missing: u32 = 0;

const MAX_MISSING: u32 = 4;

export function setTraining(on: bool): void {
  training = on;
}

/** Begins to write to `to`; at most `room` bytes. */
export function openEncoding(to: usize, room: u32): void {
  encoding = true;
  training = false;
  at = to;
  end = to + room;
  low = 0;
  high = 0xffffffff;
}

/** Begins to read `length` bytes from `from`. */
export function openDecoding(from: usize, length: u32): void {
  encoding = false;
  training = false;
  at = from;
  end = from + length;
  low = 0;
  high = 0xffffffff;
  missing = 0;
  code = 0;
  for (let i = 0; i < 4; i++) code = (code << 8) | nextByte();
}

/** Writes what is pending; the end of what was written. */
export function closeEncoding(): usize {
  writeByte(<u8>(high >>> 24));
  writeByte(<u8>(high >>> 16));
  return at;
}

/** True once every byte was read: what is left over is a fault of the delta. */
export function isUsedUp(): bool {
  return at === end;
}

/** Codes one decision; `p` is the probability of 1 in 20 bits, neither 0 nor all ones. */
@inline
export function codeBit(bit: u32, p: u32): u32 {
  if (training) return bit;
  const middle = low + <u32>((<u64>(high - low) * <u64>p) >> 20);
  if (!encoding) bit = code <= middle ? 1 : 0;
  if (encoding) spend(bit ? p : 1048576 - p);
  if (bit) high = middle;
  else low = middle + 1;
  while (!((low ^ high) >>> 24)) shift();
  return bit;
}

function shift(): void {
  if (encoding) writeByte(<u8>(high >>> 24));
  else code = (code << 8) | nextByte();
  low <<= 8;
  high = (high << 8) | 255;
}

function writeByte(byte: u8): void {
  if (at >= end) fail(Fault.MEMORY, 0);
  store<u8>(at++, byte);
}

function nextByte(): u32 {
  if (at < end) return load<u8>(at++);
  if (++missing > MAX_MISSING) fail(Fault.BAD_FORMAT, missing);
  return 0;
}

/** What {@link loadDecoding} goes back to: 6 words at `to`. */
export function saveDecoding(to: usize): void {
  if (isPlain) return savePlain(to);
  store<u32>(to, low);
  store<u32>(to, high, 4);
  store<u32>(to, code, 8);
  store<u32>(to, <u32>at, 12);
  store<u32>(to, missing, 16);
}

export function loadDecoding(from: usize): void {
  if (isPlain) return loadPlain(from);
  low = load<u32>(from);
  high = load<u32>(from, 4);
  code = load<u32>(from, 8);
  at = load<u32>(from, 12);
  missing = load<u32>(from, 16);
}
