// Looks up the grams of the next new bytes, many at once, so that their cache misses overlap.

import { gramHash, isDull, LONG } from './gram';
import { fresh, freshLength } from './inputs';
import { bucketOf, entries, gramBytes, tagMask, tagOf } from './index';

const BATCH: i32 = 16;
/** Buckets above this size are not looked through here. */
const SMALL: u32 = 8;

const hashes: usize = memory.data(128, 16);
const buckets: usize = memory.data(128, 16);

let from: i32 = 0;
let to: i32 = 0;
/** Bit k: the place from + k may be in the index. */
let hits: u32 = 0;

export function openAhead(): void {
  from = 0;
  to = 0;
}

/** True if the new place's gram may be in the index; places are asked for in zones, ascending. */
@inline
export function isIndexed(place: i32): bool {
  if (<u32>(place - from) >= <u32>(to - from)) look(place);
  return ((hits >> (place - from)) & 1) !== 0;
}

/** Of the place last asked for. */
@inline
export function hashAhead(place: i32): u64 {
  return load<u64>(hashes + (<usize>(place - from) << 3));
}

/** The same place's bucket, as of {@link bucketOf}. */
@inline
export function bucketAhead(place: i32): u64 {
  return load<u64>(buckets + (<usize>(place - from) << 3));
}

function look(place: i32): void {
  from = place;
  to = place + BATCH;
  hits = 0;
  const isLong = gramBytes === LONG;
  const count = min(BATCH, freshLength - gramBytes + 1 - place);
  for (let k: i32 = 0; k < count; k++) {
    const hash = gramHash(fresh + (place + k), isLong);
    store<u64>(hashes + (<usize>k << 3), hash);
    store<u64>(buckets + (<usize>k << 3), bucketOf(hash));
  }
  for (let k: i32 = 0; k < count; k++) {
    const bucket = load<u64>(buckets + (<usize>k << 3));
    let entry = <u32>bucket;
    const end = <u32>(bucket >> 32);
    if (entry === end || isDull(load<u64>(fresh + (place + k)))) continue;
    const tag = tagOf(load<u64>(hashes + (<usize>k << 3)));
    if (end - entry <= SMALL) {
      while (entry < end && (load<u32>(entries + (<usize>entry << 2)) & tagMask) !== tag) entry++;
    }
    hits |= <u32>(entry < end) << k;
  }
}
