// Bytes coded alone.

import { AFTER_MATCH, literalModels } from './model';
import { priceOfBit } from './prices';
import { codeBit } from './range';

/** `before` is the byte before, `matched` the one at the latest distance. */
export function codeLiteral(byte: u32, before: u32, matched: u32, state: u32): void {
  const tree = literalModels(before);
  let at: u32 = 1;
  let same = state >= AFTER_MATCH;
  for (let i = 7; i >= 0; i--) {
    const bit = (byte >> i) & 1;
    const expected = (matched >> i) & 1;
    const row = same ? (1 + expected) << 8 : 0;
    codeBit(tree + (<usize>(row + at) << 1), bit);
    if (bit !== expected) same = false;
    at = (at << 1) | bit;
  }
}

export function priceOfLiteral(byte: u32, before: u32, matched: u32, state: u32): u32 {
  const tree = literalModels(before);
  let price: u32 = 0;
  let at: u32 = 1;
  let i = 7;
  if (state >= AFTER_MATCH) {
    for (; i >= 0; i--) {
      const bit = (byte >> i) & 1;
      const expected = (matched >> i) & 1;
      price += priceOfBit(tree + (<usize>(((1 + expected) << 8) + at) << 1), bit);
      at = (at << 1) | bit;
      if (bit !== expected) {
        i--;
        break;
      }
    }
  }
  for (; i >= 0; i--) {
    const bit = (byte >> i) & 1;
    price += priceOfBit(tree + (<usize>at << 1), bit);
    at = (at << 1) | bit;
  }
  return price;
}
