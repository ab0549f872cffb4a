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

/** Candidates of the last key: 8 bytes each, target and state. */
let candidates: usize = 0;
let candidateCount: u32 = 0;
/** Whether the tables knew the last key. */
let isKnown: bool = false;
let hasShift: bool = false;

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
  candidates = alloc(3 * 8);
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
function add(target: u32, state: u32): void {
  const at = candidates + (<usize>candidateCount << 3);
  store<u32>(at, target);
  store<u32>(at, state, 4);
  candidateCount++;
}

@inline
function targetOf(index: u32): u32 {
  return load<u32>(candidates + (<usize>index << 3));
}

@inline
function accuracyOf(index: u32): i32 {
  const state = load<u32>(candidates + (<usize>index << 3), 4);
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
  candidateCount = 0;
  const own = key & ~OFFSET_KEY;
  isKnown = findExact(key);
  hasShift = findShift(key);
  const moved = hasShift && shiftScore() > 0;
  const shifted = moved ? own + shiftDistance() : 0;
  if (isKnown) {
    const target = exactTarget();
    const seen = moved ? (target === shifted ? 2 : 1) : 0;
    add(target, exactAgreement() + 8 * ((target === mapped ? 1 : 0) + 2 * seen));
  }
  if (moved) {
    const isMapped = shifted === mapped ? 1 : 0;
    const state = 64 + <u32>(shiftScore() - 1) + 4 * isMapped + 8 * min(trust >>> 1, 3);
    add(shifted, state + (isKnown ? 32 : 0));
  }
  const seen = moved ? (shifted === mapped ? 2 : 1) : 0;
  add(mapped, 128 + trust + 16 * seen + (isKnown ? 64 : 0));
}

/** The likeliest new target of an old one; sets {@link mapped} and {@link trust}. */
@inline
export function likelyTarget(key: u32): u32 {
  askMap(key);
  gather(key);
  return targetOf(bestCandidate());
}

@inline
function bestCandidate(): u32 {
  let best: u32 = 0;
  for (let i: u32 = 1; i < candidateCount; i++) if (accuracyOf(i) > accuracyOf(best)) best = i;
  return best;
}

/** As {@link likelyTarget}; sets {@link confidence}, {@link missRate} and {@link runnerUp} too. */
export function predictTarget(key: u32): u32 {
  askMap(key);
  gather(key);
  const best = bestCandidate();
  const target = targetOf(best);
  let second: u32 = candidateCount;
  for (let i: u32 = 0; i < candidateCount; i++) {
    if (targetOf(i) === target) continue;
    if (second === candidateCount || accuracyOf(i) > accuracyOf(second)) second = i;
  }
  const hasSecond = second < candidateCount;
  runnerUp = hasSecond ? targetOf(second) : target;
  missRate = <u32>(65535 - accuracyOf(best));
  const state = load<u32>(candidates + (<usize>best << 3), 4);
  const source = min(state >>> 6, 2);
  confidence = 1 + missClass(65535 - accuracyOf(best)) + 8 * source + (hasSecond ? 24 : 0);
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
  for (let i: u32 = 0; i < candidateCount; i++) {
    const at = accuracy + (<usize>load<u32>(candidates + (<usize>i << 3), 4) << 1);
    const known = <i32>load<u16>(at);
    const goal = targetOf(i) === actual ? 65535 : 0;
    const step = goal > known ? (goal - known) >> ACCURACY_RATE : -(known >> ACCURACY_RATE);
    store<u16>(at, <u16>(known + step));
  }
  learnExact(key, actual, isKnown);
  learnShift(key, key & ~OFFSET_KEY, actual, mapped, hasShift);
}
