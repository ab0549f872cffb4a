// The new target of a reference: three candidates (seen before, the shift of its stretch, the map),
// each with an accuracy learned for its own state; the most accurate is taken.

import { isLeftOut, Step } from '../ablation';
import { alloc } from '../memory';
import { mapAddress, mapOffset, mapTrust } from '../map/map';
import { exactAgreement, exactTarget, findExact, learnExact, openExact, resetExact } from './exact';
import {
  findShift,
  learnShift,
  openShifts,
  resetShifts,
  shiftDistance,
  shiftScore,
} from './shifts';

/** Set in keys that are old offsets rather than addresses. */
export const OFFSET_KEY: u32 = 0x80000000;

const STATES: usize = 256;
const ACCURACY_RATE: i32 = 5;

/** u16 for each state: how often its candidate was right. */
let accuracy: usize = 0;

/** Whether the tables knew the last key. */
let isKnown: bool = false;
let hasShift: bool = false;
/** Whether its stretch has moved: then the shift is a candidate. */
let isMoved: bool = false;

/** Candidates of the last key, with their states: {@link mapped} always, these if there are any. */
let exact: u32 = 0;
let exactState: u32 = 0;
let shifted: u32 = 0;
let shiftState: u32 = 0;
let mapState: u32 = 0;

/** The key whose candidates are here, if any are and nothing was learned since. */
let gathered: u32 = 0;
let isGathered: bool = false;

/** Where the map takes the last key, and how unsure that is ({@link mapTrust}; 0 for offsets). */
export let mapped: u32 = 0;
export let trust: u32 = 0;

/** How sure the last prediction is: 1 + accuracy class (0 best to 7) + 8 * source + 24 with a runner-up. */
export let confidence: u32 = 0;
/** How often such predictions were wrong lately, in 1/65536. */
export let missRate: u32 = 0;
/** The best candidate that differs from the prediction, else the prediction. */
export let runnerUp: u32 = 0;

export function openTargets(): void {
  openExact();
  openShifts();
  accuracy = alloc(STATES * 2);
}

export function resetTargets(): void {
  isGathered = false;
  resetExact();
  resetShifts();
  for (let state: u32 = 0; state < <u32>STATES; state++) {
    const source = state >>> 6;
    const first =
      source === 0 ? ((state & 7) !== 0 ? 63000 : 58000)
      : source === 1 ? 50000
      : (state & 15) <= 4 ? 60000
      : 40000;
    store<u16>(accuracy + (<usize>state << 1), <u16>first);
  }
}

@inline
function accuracyOf(state: u32): i32 {
  return <i32>load<u16>(accuracy + (<usize>state << 1));
}

@inline
function askMap(key: u32): void {
  if (key & OFFSET_KEY) {
    mapped = mapOffset(key & ~OFFSET_KEY);
    trust = 0;
  } else {
    mapped = mapAddress(key);
    trust = mapTrust;
  }
}

/** Gathers what may become of `key`, of which the map was asked. */
@inline
function gather(key: u32): void {
  gathered = key;
  isGathered = true;
  const own = key & ~OFFSET_KEY;
  isKnown = findExact(key);
  hasShift = findShift(key);
  isMoved = hasShift && shiftScore() > 0;
  const known = <u32>isKnown;
  let seen: u32 = 0;
  if (isMoved) {
    shifted = own + shiftDistance();
    const isMapped = <u32>(shifted === mapped);
    shiftState = 64 + <u32>(shiftScore() - 1) + 4 * isMapped + 8 * min(trust >>> 1, 3) + 32 * known;
    seen = 1 + isMapped;
  }
  mapState = 128 + trust + 16 * seen + 64 * known;
  if (!isKnown) return;
  exact = exactTarget();
  const agrees = isMoved ? 1 + <u32>(exact === shifted) : 0;
  exactState = exactAgreement() + 8 * (<u32>(exact === mapped) + 2 * agrees);
}

/** The likeliest new target of an old one; sets {@link mapped} and {@link trust}. */
@inline
export function likelyTarget(key: u32): u32 {
  askMap(key);
  gather(key);
  return bestCandidate();
}

/** The state of the candidate that {@link bestCandidate} took. */
let bestState: u32 = 0;

/** The most accurate candidate; of equals the one that was seen, then the shift. */
@inline
function bestCandidate(): u32 {
  let best = mapped;
  bestState = mapState;
  let most = accuracyOf(mapState);
  if (isMoved && accuracyOf(shiftState) >= most) {
    best = shifted;
    bestState = shiftState;
    most = accuracyOf(shiftState);
  }
  if (isKnown && accuracyOf(exactState) >= most) {
    best = exact;
    bestState = exactState;
  }
  return best;
}

/** The most accurate candidate but `target`, or `target` if there is no other. */
@inline
function nextCandidate(target: u32): u32 {
  let second = target;
  let most: i32 = -1;
  if (mapped !== target) {
    second = mapped;
    most = accuracyOf(mapState);
  }
  if (isMoved && shifted !== target && accuracyOf(shiftState) >= most) {
    second = shifted;
    most = accuracyOf(shiftState);
  }
  if (isKnown && exact !== target && accuracyOf(exactState) >= most) second = exact;
  return second;
}

/** As {@link likelyTarget}; sets {@link confidence}, {@link missRate} and {@link runnerUp} too. */
export function predictTarget(key: u32): u32 {
  const target = likelyTarget(key);
  runnerUp = nextCandidate(target);
  const miss = 65535 - accuracyOf(bestState);
  missRate = <u32>miss;
  const source = min(bestState >>> 6, 2);
  confidence = 1 + missClass(miss) + 8 * source + (runnerUp !== target ? 24 : 0);
  return target;
}

function missClass(miss: i32): u32 {
  if (miss > 12000) return miss > 40000 ? 7 : miss > 24000 ? 6 : 5;
  return miss > 5000 ? 4 : miss > 2000 ? 3 : miss > 800 ? 2 : miss > 250 ? 1 : 0;
}

/** Learns that `key`, which the map takes to `byMap` with `byTrust`, goes to `actual`. */
@inline
export function learnTarget(key: u32, actual: u32, byMap: u32, byTrust: u32): void {
  if (isLeftOut(Step.LEARNING)) return;
  if (!isGathered || gathered !== key) {
    mapped = byMap;
    trust = byTrust;
    gather(key);
  }
  isGathered = false;
  adjust(mapState, mapped === actual);
  if (isMoved) adjust(shiftState, shifted === actual);
  if (isKnown) adjust(exactState, exact === actual);
  learnExact(key, actual, isKnown);
  learnShift(key, key & ~OFFSET_KEY, actual, mapped, hasShift);
}

@inline
function adjust(state: u32, isRight: bool): void {
  const at = accuracy + (<usize>state << 1);
  const known = <i32>load<u16>(at);
  const step = isRight ? (65535 - known) >> ACCURACY_RATE : -(known >> ACCURACY_RATE);
  store<u16>(at, <u16>(known + step));
}
