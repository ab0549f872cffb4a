// Follows one diagonal, many bytes at a time, until it has more trouble than it is worth.

import { equalBytes } from './bytes';
import { fresh, freshLength, isOld, old, oldLength } from './inputs';
import { followed } from './path';
import { differencePrice, isRepeated, Price } from './price';
import { spend } from './tick';
import { textPriceAt } from './zone';

/** A bucket of trouble that leaks so much for each agreeing byte; full, it opens a zone. */
const FULL: i32 = 256;
const LEAK: i32 = 2;
/** The zone begins at the first difference that is still felt, but no further back than this. */
const MAX_BACK: i32 = 4096;

/**
 * A larger bucket that hardly leaks, for trouble that is small but does not end: tables of records of
 * which another diagonal would copy every byte. Its zone begins just before the last difference.
 */
const SLOW_FULL: i32 = 1024;
const SLOW_LEAK_SHIFT: i32 = 3;
const SLOW_BACK: i32 = 16;

/** Where the trouble began, -1 at the end of the new bytes. */
export let troubleFrom: i32 = -1;

/** The last four differences. */
let recent: u32 = 0;

export function openFollow(): void {
  recent = 0;
}

/** Returns the place that it came to; {@link troubleFrom} is at or before it. */
export function followUntilTrouble(start: i32): i32 {
  let place = start;
  let trouble: i32 = 0;
  let slow: i32 = 0;
  let from: i32 = -1;
  while (place < freshLength) {
    const at = place + followed;
    if (!isOld(at)) {
      troubleFrom = from < 0 ? place : max(from, place - MAX_BACK);
      return place;
    }
    const run = equalBytes(old + at, fresh + place, min(oldLength - at, freshLength - place));
    spend(8 + ((<u32>run) >> 4));
    if (run > 0) {
      slow = max(slow - (run >> SLOW_LEAK_SHIFT), 0);
      trouble -= min(run, FULL) * LEAK;
      if (trouble <= 0) {
        trouble = 0;
        from = -1;
      }
      place += run;
      continue;
    }
    if (from < 0) from = place;
    const actual = <u32>load<u8>(fresh + place);
    const copied = <u32>load<u8>(old + at);
    const difference = (actual - copied) & 0xff;
    let price: i32 = Price.REPEATED;
    if (!isRepeated(recent, difference)) {
      recent = (recent << 8) | difference;
      price = differencePrice(actual, copied, textPriceAt(place));
    }
    trouble += price;
    slow += price;
    place++;
    if (trouble >= FULL || slow >= SLOW_FULL) {
      if (trouble < FULL) from = max(start, place - SLOW_BACK);
      troubleFrom = max(from, place - MAX_BACK);
      return place;
    }
  }
  troubleFrom = -1;
  return place;
}
