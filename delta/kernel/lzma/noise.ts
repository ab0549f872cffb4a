// Stretches that coding would only make longer: files that are compressed already. All values of a byte are
// about as frequent there, and nothing of them stood before. They are not looked through place by place.

import { isKnown, learnUpTo } from './finder';
import { byteAt, end } from './window';

/** What is judged as a whole; places are multiples of it. */
const BLOCK: i32 = 1024;
/** A stretch that is worth two heads of chunks and the coder's last bytes. */
const LEAST_BYTES: i32 = 2 * BLOCK;
/** A chunk of plain bytes; also how far is looked ahead for one (parse.ts decides on so many bytes together). */
const MOST_BYTES: i32 = 1 << 15;
/**
 * The sum of the squares of how often each value stands in a block: 5116 on average in random bytes, with
 * a deviation of 90. Tables that count up have less, all else has more.
 */
const LEAST_SQUARES: u32 = 4700;
const MOST_SQUARES: u32 = 5800;

const counts: usize = memory.data(256 * 2, 16);

/** No stretch begins before this place, and one may begin there if `isFound`. */
let candidate: i32 = 0;
let isFound: bool = false;

export function openNoise(): void {
  candidate = 0;
  isFound = false;
}

/** The first place from `place` on where such a stretch may begin, as far as is looked ahead. */
export function noiseAhead(place: i32): i32 {
  if (candidate < place) {
    candidate = (place + BLOCK - 1) & -BLOCK;
    isFound = false;
  }
  const limit = place + MOST_BYTES;
  while (!isFound && candidate < limit && candidate + BLOCK <= end) {
    isFound = isEven(candidate);
    if (!isFound) candidate += BLOCK;
  }
  return isFound ? candidate : limit;
}

/** How many bytes go uncoded from `place` on, where `noiseAhead` has one begin; 0 if it is none. */
export function noiseBytes(place: i32): i32 {
  learnUpTo(place);
  let bytes: i32 = 0;
  while (bytes < MOST_BYTES) {
    const block = place + bytes;
    if (block + BLOCK > end || !isEven(block) || isKnown(block, block + BLOCK)) break;
    bytes += BLOCK;
  }
  if (bytes >= LEAST_BYTES) return bytes;
  candidate = place + bytes + BLOCK;
  isFound = false;
  return 0;
}

/** True if all values of a byte are about as frequent in the block. */
function isEven(block: i32): bool {
  memory.fill(counts, 0, 256 * 2);
  for (let place = block; place < block + BLOCK; place++) {
    const count = counts + (<usize>byteAt(place) << 1);
    store<u16>(count, load<u16>(count) + 1);
  }
  let squares: u32 = 0;
  for (let i: usize = 0; i < 256 * 2; i += 2) {
    const count = <u32>load<u16>(counts + i);
    squares += count * count;
  }
  return squares >= LEAST_SQUARES && squares <= MOST_SQUARES;
}
