// Lengths of matches: 2 to 273.

import { matchLengths, repLengths } from './model';
import { priceOf0, priceOf1, priceOfTree } from './prices';
import { codeBit, codeTree } from './range';

export const LEAST_LENGTH: u32 = 2;
export const MOST_LENGTH: u32 = 273;

/** Models of a coder of lengths, in bytes from its first: two choices, then three trees. */
const CHOICE_2: usize = 2;
const LOW: usize = 4;
const MIDDLE: usize = LOW + 16;
const HIGH: usize = MIDDLE + 16;

const matchPrices: usize = memory.data(274 * 4, 16);
const repPrices: usize = memory.data(274 * 4, 16);

export function codeMatchLength(length: u32): void {
  code(matchLengths, length);
}

export function codeRepLength(length: u32): void {
  code(repLengths, length);
}

@inline
export function priceOfMatchLength(length: u32): u32 {
  return load<u32>(matchPrices + (<usize>length << 2));
}

@inline
export function priceOfRepLength(length: u32): u32 {
  return load<u32>(repPrices + (<usize>length << 2));
}

/** Makes the prices anew from the models. */
export function priceLengths(): void {
  fill(matchLengths, matchPrices);
  fill(repLengths, repPrices);
}

function code(models: usize, length: u32): void {
  const value = length - LEAST_LENGTH;
  if (value < 8) {
    codeBit(models, 0);
    codeTree(models + LOW, 3, value);
    return;
  }
  codeBit(models, 1);
  if (value < 16) {
    codeBit(models + CHOICE_2, 0);
    codeTree(models + MIDDLE, 3, value - 8);
    return;
  }
  codeBit(models + CHOICE_2, 1);
  codeTree(models + HIGH, 8, value - 16);
}

function fill(models: usize, prices: usize): void {
  let at = prices + (<usize>LEAST_LENGTH << 2);
  const low = priceOf0(models);
  const middle = priceOf1(models) + priceOf0(models + CHOICE_2);
  const high = priceOf1(models) + priceOf1(models + CHOICE_2);
  for (let i: u32 = 0; i < 8; i++, at += 4) store<u32>(at, low + priceOfTree(models + LOW, 3, i));
  for (let i: u32 = 0; i < 8; i++, at += 4) {
    store<u32>(at, middle + priceOfTree(models + MIDDLE, 3, i));
  }
  for (let i: u32 = 0; i < 256; i++, at += 4) {
    store<u32>(at, high + priceOfTree(models + HIGH, 8, i));
  }
}
