// Where the grams of the old input stand: places that are multiples of a step, sorted by counting into
// buckets of their hash, ascending in a bucket. A place carries some more bits of its hash, so that most
// wrong ones are seen without a look at the old bytes.

import { alloc } from '../memory';
import { droppedWord, WORD_SPAN } from './dropped';
import { gramHash, isDull, LONG } from './gram';
import { old, oldLength } from './inputs';
import { spend } from './tick';

const MIN_BUCKET_BITS: u32 = 12;
const MAX_BUCKET_BITS: u32 = 21;
const MAX_TAG_BITS: u32 = 7;

/** Bytes of a gram. */
export let gramBytes: i32 = 0;
/** Places are multiples of 1 << stepShift. */
export let stepShift: u32 = 0;
/** The low bits of a place's entry that are its tag. */
export let tagBits: u32 = 0;
export let tagMask: u32 = 0;
/** The entries: place >> stepShift << tagBits | tag. */
export let entries: usize = 0;

/** A hash's bucket is its top bits, its tag the ones below. */
let bucketShift: u64 = 0;
let tagShift: u64 = 0;
/** Entry numbers at which the buckets begin, and the last one's end. */
let starts: usize = 0;

/**
 * Indexes the old bytes that are not dropped, at multiples of `1 << shift`, or of more when there would
 * be more than `maxPlaces`.
 */
export function buildIndex(bytes: i32, shift: u32, maxPlaces: u32): void {
  gramBytes = bytes;
  stepShift = shift;
  const kept = keptBytes();
  while (kept >> stepShift > maxPlaces) stepShift++;
  let bucketBits = MIN_BUCKET_BITS;
  while (bucketBits < MAX_BUCKET_BITS && <u32>1 << bucketBits < kept >> stepShift) bucketBits++;
  tagBits = MAX_TAG_BITS;
  while (tagBits > 0 && (<u32>oldLength >> stepShift) >> (32 - tagBits) !== 0) tagBits--;
  tagMask = (<u32>1 << tagBits) - 1;
  bucketShift = 64 - bucketBits;
  tagShift = bucketShift - tagBits;
  const buckets = <usize>1 << bucketBits;
  starts = alloc((buckets + 2) << 2);
  // Counted two entries late, a bucket's start stands one late, and placing moves it home.
  sweep(false);
  for (let b: usize = 2; b < buckets + 2; b++) {
    const at = starts + (b << 2);
    store<u32>(at, load<u32>(at) + load<u32>(at - 4));
  }
  entries = alloc((<usize>load<u32>(starts + ((buckets + 1) << 2)) << 2) + 4);
  sweep(true);
}

/** The bucket's first entry number in the low half, the end in the high half. */
@inline
export function bucketOf(hash: u64): u64 {
  return load<u64>(starts + (<usize>(hash >> bucketShift) << 2));
}

@inline
export function tagOf(hash: u64): u32 {
  return <u32>(hash >> tagShift) & tagMask;
}

function keptBytes(): u32 {
  let units: u32 = 0;
  for (let place: i32 = 0; place < oldLength; place += WORD_SPAN) {
    units += 64 - <u32>popcnt(droppedWord(place));
  }
  return units << 4;
}

/** Counts the places of each bucket, or places them. */
function sweep(isPlacing: bool): void {
  const isLong = gramBytes === LONG;
  const step = <i32>1 << stepShift;
  const last = oldLength - gramBytes;
  for (let from: i32 = 0; from <= last; from += WORD_SPAN) {
    const dropped = droppedWord(from);
    if (dropped === ~(<u64>0)) continue;
    const end = min(from + WORD_SPAN - 1, last);
    for (let place = (from + step - 1) & -step; place <= end; place += step) {
      if ((dropped >> <u64>((place - from) >> 4)) & 1) continue;
      const at = old + place;
      if (isDull(load<u64>(at))) continue;
      const hash = gramHash(at, isLong);
      const bucket = starts + (<usize>(hash >> bucketShift) << 2);
      if (isPlacing) {
        const entry = load<u32>(bucket, 4);
        store<u32>(bucket, entry + 1, 4);
        const value = ((<u32>place >> stepShift) << tagBits) | tagOf(hash);
        store<u32>(entries + (<usize>entry << 2), value);
      } else {
        store<u32>(bucket, load<u32>(bucket, 8) + 1, 8);
      }
    }
    spend(1024 >> stepShift);
  }
}
