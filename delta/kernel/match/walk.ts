// Where a new diagonal should begin: it is found by a gram that it shares, but may have been right long
// before. Walks back over it to the cheapest place to change.

import { costAt, nodeAt } from './history';
import { fresh, isOld, old } from './inputs';
import { addLane, seeLane } from './lanes';
import { followed, since } from './path';
import { differencePrice, isRepeated, Price } from './price';
import { spend } from './tick';

const MAX_WALK: i32 = 4096;
/** Before the zone, only this much further than the cheapest place found. */
const BEFORE_ZONE: i32 = 256;
/** A walk that has lost this much more than the change costs gives up. */
const GIVE_UP: i32 = 4 * Price.DIFFERENCE;
/** Bytes to walk that each new byte of a zone brings: keeps the whole near-linear. */
const WALK_PER_BYTE: i32 = 96;
const MAX_ALLOWANCE: i32 = 1 << 17;

let zoneStart: i32 = 0;
let textPrice: i32 = 0;
let allowance: i32 = MAX_ALLOWANCE;

export function openWalks(): void {
  allowance = MAX_ALLOWANCE;
}

/** For a zone that begins at `place`, and has text at this price. */
export function startWalks(place: i32, text: i32): void {
  zoneStart = place;
  textPrice = text;
}

/** One byte of the zone has passed. */
@inline
export function allowWalk(): void {
  allowance = min(allowance + WALK_PER_BYTE, MAX_ALLOWANCE);
}

/**
 * Makes `shift` a lane at `place`, to which the best path costs `best` and ends in `bestNode`; unless it
 * is one, or has no old byte there.
 */
export function propose(shift: i32, place: i32, best: i32, bestNode: i32, price: i32): void {
  if (seeLane(shift, place) || !isOld(place + shift)) return;
  let cheapest = best + price;
  let entry = place;
  let before = bestNode;
  let lost: i32 = 0;
  let recent: u32 = 0;
  const low = max(max(since + 1, -shift), place - min(MAX_WALK - 1, allowance));
  const lowInZone = max(low, zoneStart);
  let at = place - 1;
  while (at >= lowInZone) {
    const a = fresh + at;
    const b = a - fresh + old + shift;
    // Over equal bytes the price to change only falls towards the front: ask there first.
    if (
      at - 7 >= lowInZone &&
      load<u64>(a - 7) === load<u64>(b - 7) &&
      costAt(at - 7) + lost + price >= cheapest
    ) {
      at -= 8;
      continue;
    }
    const actual = <u32>load<u8>(a);
    const copied = <u32>load<u8>(b);
    if (actual !== copied) {
      const difference = (actual - copied) & 0xff;
      if (isRepeated(recent, difference)) lost += Price.REPEATED;
      else {
        recent = (recent << 8) | difference;
        lost += differencePrice(actual, copied, textPrice);
      }
    }
    const cost = costAt(at) + lost + price;
    if (cost > cheapest + GIVE_UP) break;
    if (cost < cheapest) {
      cheapest = cost;
      before = nodeAt(at);
      entry = at;
    }
    at--;
  }
  if (at < zoneStart) {
    // Before the zone the followed diagonal is the path, and its differences are taken back.
    let saved: i32 = 0;
    let savedRecent: u32 = 0;
    for (; at >= low; at--) {
      const actual = <u32>load<u8>(fresh + at);
      const copied = <u32>load<u8>(old + (at + shift));
      const followedByte = <u32>load<u8>(old + (at + followed));
      if (actual !== copied) {
        const difference = (actual - copied) & 0xff;
        if (isRepeated(recent, difference)) lost += Price.REPEATED;
        else {
          recent = (recent << 8) | difference;
          lost += differencePrice(actual, copied, textPrice);
        }
        if (lost > price + GIVE_UP) break;
      }
      if (actual !== followedByte) {
        const difference = (actual - followedByte) & 0xff;
        if (isRepeated(savedRecent, difference)) saved += Price.REPEATED;
        else {
          savedRecent = (savedRecent << 8) | difference;
          saved += differencePrice(actual, followedByte, textPrice);
        }
      } else if (actual === copied && at < min(zoneStart, entry) - BEFORE_ZONE) break;
      const cost = lost + price - saved;
      if (cost < cheapest) {
        cheapest = cost;
        before = 0;
        entry = at;
      }
    }
  }
  const walked = place - at;
  allowance -= walked;
  spend(16 + <u32>walked);
  const lane = addLane(shift, cheapest, price, place, best);
  lane.from = entry;
  lane.before = before;
  lane.recent = recent;
}
