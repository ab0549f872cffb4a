// Coding of one symbol after the other: literal, match or repeated match.

import { codeDistance } from './distances';
import { codeMatchLength, codeRepLength } from './lengths';
import { codeLiteral } from './literals';
import {
  afterLiteral,
  afterMatch,
  afterRep,
  afterShortRep,
  isLong,
  isMatch,
  isRep,
  isRep0,
  isRep1,
  isRep2,
} from './model';
import { codeBit } from './range';
import { byteAt } from './window';

/** Ways to code: 0..3 repeats one of the latest distances; a distance less 1 is added to FAR. */
export const FAR: u32 = 4;
/** One byte alone; one byte at the latest distance. */
export const LITERAL: u32 = 0xffffffff;
export const SHORT_REP: u32 = 0xfffffffe;

/** What is coded next, the state, and the latest distances less 1. */
export let place: i32 = 0;
export let state: u32 = 0;
export let rep0: u32 = 0;
export let rep1: u32 = 0;
export let rep2: u32 = 0;
export let rep3: u32 = 0;

export function openSymbols(): void {
  place = 0;
  resetState();
}

export function resetState(): void {
  state = 0;
  rep0 = 0;
  rep1 = 0;
  rep2 = 0;
  rep3 = 0;
}

/** Goes past bytes that are not coded. */
export function passBytes(bytes: i32): void {
  place += bytes;
}

export function codeSymbol(way: u32, length: u32): void {
  if (way === LITERAL) {
    codeBit(isMatch(state), 0);
    codeLiteral(byteAt(place), byteAt(place - 1), byteAt(place - <i32>rep0 - 1), state);
    state = afterLiteral(state);
    place++;
    return;
  }
  codeBit(isMatch(state), 1);
  if (way === SHORT_REP) {
    codeBit(isRep(state), 1);
    codeBit(isRep0(state), 0);
    codeBit(isLong(state), 0);
    state = afterShortRep(state);
    place++;
    return;
  }
  if (way >= FAR) {
    codeBit(isRep(state), 0);
    codeMatchLength(length);
    codeDistance(way - FAR, length);
    state = afterMatch(state);
    rep3 = rep2;
    rep2 = rep1;
    rep1 = rep0;
    rep0 = way - FAR;
  } else {
    codeBit(isRep(state), 1);
    codeRep(way);
    codeRepLength(length);
    state = afterRep(state);
  }
  place += <i32>length;
}

function codeRep(way: u32): void {
  if (way === 0) {
    codeBit(isRep0(state), 0);
    codeBit(isLong(state), 1);
    return;
  }
  codeBit(isRep0(state), 1);
  let distance = rep1;
  if (way === 1) codeBit(isRep1(state), 0);
  else {
    codeBit(isRep1(state), 1);
    codeBit(isRep2(state), way - 2);
    distance = rep2;
    if (way === 3) {
      distance = rep3;
      rep3 = rep2;
    }
    rep2 = rep1;
  }
  rep1 = rep0;
  rep0 = distance;
}
