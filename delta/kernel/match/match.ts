// Blocks of new bytes that resemble old ones, without a suffix array: follows one diagonal while it
// agrees, and decides zones of trouble with the help of a sparse index.

import { MAX_MATCHED } from '../map/block';
import { alloc, mark } from '../memory';
import { dropCleanRuns, keepAll } from './dropped';
import { openEarlier } from './earlier';
import { followUntilTrouble, openFollow, troubleFrom } from './follow';
import { closeFound, LITERAL, openFound } from './found';
import { LONG, SHORT } from './gram';
import { buildIndex } from './index';
import { freshLength, openInputs, oldLength } from './inputs';
import { finishPath, followed, leaveLiterals, openPath } from './path';
import { decideZone, openZones } from './zone';

export { joinBlocks } from './join';

/** The first pass: what is sure, from long grams at every 32nd old byte; later: at every 4th. */
const FIRST_STEP: u32 = 5;
const LATER_STEP: u32 = 2;

/**
 * The least block of the first pass: shorter ones may be look-alikes, and what is rewritten by them then
 * agrees with them for ever. Later passes find the true ones again.
 */
const FIRST_LEAST: u32 = 128;

/** Where the blocks of the latest match are: ascending by new place, not overlapping. */
export let matchedBlocks: usize = 0;

/**
 * Finds for the new bytes where to copy them from. Both inputs are below 2^30 bytes.
 *
 * @param codeFrom - with `codeTo` the executable range of the new bytes
 * @param hints - blocks of an earlier pass: candidates, and what they copy unchanged is not looked for
 * @param isFirst - the quick first pass, without hints
 * @returns the number of blocks at {@link matchedBlocks}, which stay allocated
 */
export function matchBytes(
  old: usize,
  oldBytes: u32,
  fresh: usize,
  freshBytes: u32,
  codeFrom: u32,
  codeTo: u32,
  hints: usize,
  hintCount: u32,
  isFirst: bool,
): u32 {
  const base = mark();
  matchedBlocks = base;
  if (oldBytes === 0 || freshBytes === 0) return 0;
  openInputs(old, oldBytes, fresh, freshBytes, codeFrom, codeTo);
  keepAll();
  if (!isFirst) dropCleanRuns(hints, hintCount);
  const bytes = oldBytes + freshBytes;
  buildIndex(isFirst ? LONG : SHORT, isFirst ? FIRST_STEP : LATER_STEP, (1 << 22) + bytes / 20);
  openEarlier(hints, isFirst ? 0 : hintCount);
  openPath();
  openFollow();
  openZones();
  openFound(min((1 << 16) + (bytes >> 6), MAX_MATCHED));
  let place: i32 = 0;
  while (place < freshLength) {
    if (followed === LITERAL) {
      leaveLiterals(place);
      place = decideZone(place);
    } else {
      place = followUntilTrouble(place);
      if (troubleFrom >= 0) place = decideZone(troubleFrom);
    }
  }
  finishPath(freshLength);
  return closeFound(base, isFirst ? FIRST_LEAST : 0);
}
