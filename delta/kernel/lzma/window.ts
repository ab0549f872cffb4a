// What is compressed: the bytes to come and those of the dictionary before them. Places count from the
// first byte of the stream, which has at most 2^31 bytes.

import { alloc } from '../memory';

/** The host feeds at most this many bytes at once. */
export const MOST_FED: i32 = 1 << 18;
/** Bytes to come that coding looks at, at most; it waits for them until the stream ends. */
export const LOOKAHEAD: i32 = 34816;
/** Moving the dictionary to the front takes a while: there is room to do it seldom. */
const SLACK: i32 = 1 << 22;
/** Readable before the first byte and after the last. */
const MARGIN: i32 = 64;

/** Add a place for its address. */
export let origin: usize = 0;
/** The first place that is still held, and one past the last. */
export let start: i32 = 0;
export let end: i32 = 0;
/** The farthest that a match may lie back. */
export let dictionary: i32 = 0;

let buffer: usize = 0;
let room: i32 = 0;

export function openWindow(dictionaryBytes: i32): void {
  dictionary = dictionaryBytes;
  room = dictionary + LOOKAHEAD + MOST_FED + SLACK;
  buffer = alloc(<usize>(room + 2 * MARGIN)) + MARGIN;
  origin = buffer;
  start = 0;
  end = 0;
}

/** Where the host writes the next bytes; those before `place` less the dictionary go. */
export function roomAt(place: i32): usize {
  if (end - start + MOST_FED > room) {
    const from = max(place - dictionary, 0);
    memory.copy(buffer, origin + from, <usize>(end - from));
    start = from;
    origin = buffer - from;
  }
  return origin + end;
}

/** The host has written so many. */
export function grow(bytes: i32): void {
  end += bytes;
}

@inline
export function byteAt(place: i32): u32 {
  return load<u8>(origin + place);
}

/**
 * Length of the common beginning of what is at `a` and `b` in the window, at most `limit`. Reads up to 15 bytes
 * past that, which the margin allows.
 */
@inline
export function common(a: usize, b: usize, limit: i32): i32 {
  const differing = load<u64>(a) ^ load<u64>(b);
  if (differing !== 0) return min(<i32>ctz(differing) >> 3, limit);
  return commonBeyond(a, b, limit);
}

/** The same where the first 8 bytes are equal. */
function commonBeyond(a: usize, b: usize, limit: i32): i32 {
  for (let n: i32 = 8; n < limit; n += 16) {
    const differing = ~i8x16.bitmask(i8x16.eq(v128.load(a + n), v128.load(b + n))) & 0xffff;
    if (differing !== 0) return min(n + ctz(differing), limit);
  }
  return limit;
}

/** The first place from `place` on whose byte is not 0; `limit` if there is none before it. */
export function nextEvent(place: i32, limit: i32): i32 {
  while (place + 8 <= limit) {
    const word = load<u64>(origin + place);
    if (word !== 0) return place + (<i32>ctz(word) >> 3);
    place += 8;
  }
  while (place < limit && byteAt(place) === 0) place++;
  return place;
}
