// Where a function of the old .eh_frame begins now. Functions are described in the order in which they
// lie in memory, in a few interleaved runs (hot, cold): so a new one begins soon after the end of one of
// the last ones, and that tells which of the candidates is right, or that old records were left out.

import { predictTarget } from '../learn/targets';
import { mapAddress, mapTrust } from '../map/map';
import { alloc } from '../memory';
import { ehRecordCount, readEhRecordOf } from './eh-index';
import { EhKind, EhRecord, newEhRecord } from './eh-records';

const ENDS: u32 = 4;
/** Functions begin less than this after the end of the one before. */
const GAP: u32 = 32;
/** Records looked at on either side of the next one. */
const REACH: u32 = 64;
/** Searches in a unit: each costs up to 2 * REACH records. */
const MAX_SEARCHES: u32 = 32768;

export const NO_RECORD: u32 = 0xffffffff;

/** u32: ends of the last functions, one for each run, the latest first. */
let ends: usize = 0;
let isAligned: bool = false;
let searches: u32 = 0;
let probe: EhRecord = changetype<EhRecord>(0);

export function openEhPlaces(): void {
  ends = alloc((<usize>ENDS) << 2);
  probe = newEhRecord();
}

export function resetEhPlaces(): void {
  memory.fill(ends, 0, (<usize>ENDS) << 2);
  isAligned = false;
  searches = 0;
}

/** Which run a function that begins at `start` goes on: 0 the latest one to 3, 4 none. */
export function runAt(start: u32): u32 {
  for (let run: u32 = 0; run < ENDS; run++) {
    if (start - load<u32>(ends + ((<usize>run) << 2)) < GAP) return run;
  }
  return ENDS;
}

/** How unsure the map is of the last prediction (see map.ts). */
export let predictedTrust: u32 = 0;

/** The new first address of an old function. */
@inline
export function predictStart(record: EhRecord): u32 {
  const mapped = mapAddress(record.start);
  predictedTrust = mapTrust;
  if (runAt(mapped) < ENDS) return mapped;
  return predictTarget(record.start);
}

/** The first address of a function that the old file does not have. */
export function predictInserted(): u32 {
  const end = load<u32>(ends);
  return isAligned ? (end + 15) & ~15 : end;
}

/** Learns that a function of `range` bytes begins at `start`. */
export function noteFunction(start: u32, range: u32): void {
  const run = runAt(start);
  if (run < ENDS) {
    const end = load<u32>(ends + ((<usize>run) << 2));
    if ((end & 15) !== 0) isAligned = start !== end;
  }
  for (let i = min(run, ENDS - 1); i > 0; i--) {
    store<u32>(ends + ((<usize>i) << 2), load<u32>(ends + ((<usize>(i - 1)) << 2)));
  }
  store<u32>(ends, start + range);
}

/**
 * The record near `index`, not itself, whose function goes on a later run than `than`: the latest run
 * first, then the nearest record. NO_RECORD when there is none.
 */
export function findSuccessor(index: u32, than: u32): u32 {
  if (searches === MAX_SEARCHES) return NO_RECORD;
  searches++;
  const first: u32 = index < REACH ? 0 : index - REACH;
  const end = min(ehRecordCount, index + REACH + 1);
  let best = NO_RECORD;
  let bestCost: u32 = ENDS * REACH * 2;
  for (let i = first; i < end; i++) {
    if (i === index) continue;
    readEhRecordOf(i, probe);
    if (probe.kind !== EhKind.FDE) continue;
    const run = runAt(mapAddress(probe.start));
    const cost = run * REACH * 2 + (i < index ? 2 * (index - i) + 1 : 2 * (i - index));
    if (run >= than || cost >= bestCost) continue;
    best = i;
    bestCost = cost;
  }
  return best;
}
