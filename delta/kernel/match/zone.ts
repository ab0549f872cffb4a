// A zone: new bytes where the followed diagonal has trouble. There, a few diagonals and "no copy" compete
// byte by byte for the cheapest path (Viterbi), until one has been undisputed for a while.

import { isIndexed, openAhead } from './ahead';
import { earlierShift, shiftAhead, shiftBehind } from './earlier';
import { LITERAL, recent, recentCount } from './found';
import { isDull } from './gram';
import { openHistory, remember } from './history';
import { fresh, freshLength, isCodeAt, isOld, old, oldLength } from './inputs';
import { addLane, clearLanes, cutLanes, Lane, LANE_BYTES, lanes, lanesEnd } from './lanes';
import { commitPath, followed, isPathFull, makeNode, plantPath } from './path';
import { differencePrice, isRepeated, Price } from './price';
import { openProbes, probe } from './probe';
import { spend } from './tick';
import { allowWalk, openWalks, propose, startWalks } from './walk';

/** So many agreeing bytes end a zone. */
const CALM: i32 = 32;
/** A run that speaks for a lane, and for how long a dear lane lives without. */
const SPEAKS: i32 = 8;
const LIFE: i32 = 192;
/** Longer zones are cut: bounds prices and memory. */
const MAX_ZONE: i32 = 1 << 20;
const NEVER: i32 = 1 << 28;

export function openZones(): void {
  openHistory();
  openAhead();
  openProbes();
  openWalks();
}

/** What text for text costs at a new place. */
export function textPriceAt(place: i32): i32 {
  return isCodeAt(place) ? Price.DIFFERENCE : Price.TEXT;
}

/** Decides from `start` on; returns the place up to which it has. */
export function decideZone(start: i32): i32 {
  const textPrice = textPriceAt(start);
  startWalks(start, textPrice);
  plantPath();
  clearLanes();
  const first = addLane(followed, 0, Price.SWITCH_KNOWN, start, 0);
  first.node = 0;
  remember(start, 0, 0);
  let best: i32 = 0;
  let bestNode: i32 = 0;
  let bestShift = followed;
  let bestRun: i32 = 0;
  let literal: i32 = NEVER;
  let literalNode: i32 = -1;
  let literalFrom: i32 = 0;
  let literalBefore: i32 = 0;
  const end = min(freshLength, start + MAX_ZONE);
  let place = start;
  while (place < end) {
    allowWalk();
    if (isDoubtful(place, bestShift)) {
      const earlier = earlierShift(place);
      if (earlier !== LITERAL) propose(earlier, place, best, bestNode, Price.SWITCH_KNOWN);
      if (((place - start) & 15) === 0) proposeNeighbours(place, best, bestNode);
      if (((place - start) & 3) === 0) proposeRecent(place, best, bestNode);
      if (isIndexed(place)) probe(place, best, bestNode, bestShift);
    }
    const actual = <u32>load<u8>(fresh + place);
    let cheapest = NEVER << 1;
    let winner: usize = 0;
    let kept = lanes;
    for (let at = lanes; at < lanesEnd; at += LANE_BYTES) {
      const lane = changetype<Lane>(at);
      const from = place + lane.shift;
      if (!isOld(from)) continue;
      let cost = lane.cost;
      if (cost > best + lane.price) {
        cost = best + lane.price;
        lane.node = -1;
        lane.from = place;
        lane.before = bestNode;
      }
      const copied = <u32>load<u8>(old + from);
      if (copied === actual) {
        lane.run++;
        if (lane.run >= SPEAKS) lane.seen = place;
      } else {
        lane.run = 0;
        const difference = (actual - copied) & 0xff;
        if (isRepeated(lane.recent, difference)) cost += Price.REPEATED;
        else {
          lane.recent = (lane.recent << 8) | difference;
          cost += differencePrice(actual, copied, textPrice);
        }
      }
      if (place - lane.seen > LIFE && cost > best + (lane.price >> 1)) continue;
      lane.cost = cost;
      if (cost < cheapest || (cost === cheapest && lane.shift === followed)) {
        cheapest = cost;
        winner = kept;
      }
      if (kept !== at) memory.copy(kept, at, LANE_BYTES);
      kept += LANE_BYTES;
    }
    cutLanes(kept);
    if (best + Price.LITERAL_START < literal) {
      literal = best + Price.LITERAL_START;
      literalNode = -1;
      literalFrom = place;
      literalBefore = bestNode;
    }
    literal += Price.LITERAL;
    if (literal < cheapest) {
      if (literalNode < 0) literalNode = makeNode(LITERAL, literalFrom, literalBefore);
      best = literal;
      bestNode = literalNode;
      bestShift = LITERAL;
      bestRun = 0;
    } else {
      const lane = changetype<Lane>(winner);
      if (lane.node < 0) lane.node = makeNode(lane.shift, lane.from, lane.before);
      best = cheapest;
      bestNode = lane.node;
      bestShift = lane.shift;
      bestRun = lane.run;
    }
    place++;
    remember(place, best, bestNode);
    if (bestRun >= CALM || isPathFull()) break;
  }
  spend(<u32>(place - start) << 5);
  commitPath(bestNode);
  return place;
}

/** True if the next 8 bytes do not agree. */
@inline
function isDoubtful(place: i32, shift: i32): bool {
  if (shift === LITERAL || place > freshLength - 8) return true;
  const from = place + shift;
  if (from < 0 || from > oldLength - 8) return true;
  return load<u64>(old + from) !== load<u64>(fresh + place);
}

/** Proposes the shifts of the earlier pass's blocks before and after: they may reach as far as here. */
function proposeNeighbours(place: i32, best: i32, bestNode: i32): void {
  const ahead = shiftAhead(place);
  if (ahead !== LITERAL) propose(ahead, place, best, bestNode, Price.SWITCH_KNOWN);
  const behind = shiftBehind(place);
  if (behind !== LITERAL) propose(behind, place, best, bestNode, Price.SWITCH_KNOWN);
}

/** Proposes the latest shifts that agree in the next 8 bytes. */
function proposeRecent(place: i32, best: i32, bestNode: i32): void {
  if (place + 8 > freshLength) return;
  const word = load<u64>(fresh + place);
  if (isDull(word)) return;
  for (let i: u32 = 0; i < recentCount; i++) {
    const shift = load<i32>(recent + (<usize>i << 2));
    const from = place + shift;
    if (from < 0 || from > oldLength - 8 || load<u64>(old + from) !== word) continue;
    propose(shift, place, best, bestNode, Price.SWITCH_KNOWN);
  }
}
