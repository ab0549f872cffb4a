// Distances of matches, less 1: a slot by their magnitude and length, then the bits below.

import { LEAST_LENGTH } from './lengths';
import { alignModels, slotModels, specialModels } from './model';
import { ONE_BIT, priceOfReverseTree, priceOfTree } from './prices';
import { codeDirect, codeReverseTree, codeTree } from './range';

const LENGTH_STATES: u32 = 4;
/** From this length on a distance has the same price whatever the length. */
export const FAR_LENGTH: u32 = LEAST_LENGTH + LENGTH_STATES - 1;
const SLOT_BITS: u32 = 6;
/** Slots from here on have bits without a model, and four low ones with one for all. */
const FIRST_FAR_SLOT: u32 = 14;
/** Distances below have models of their own. */
const NEAR: u32 = 128;
const ALIGN_BITS: u32 = 4;

const nearPrices: usize = memory.data(4 * 128 * 4, 16);
const slotPrices: usize = memory.data(4 * 64 * 4, 16);
const alignPrices: usize = memory.data(16 * 4, 16);

export function codeDistance(distance: u32, length: u32): void {
  const slot = slotOf(distance);
  codeTree(slotModels + (<usize>lengthState(length) << 7), SLOT_BITS, slot);
  if (slot < 4) return;
  const bits = (slot >> 1) - 1;
  const base = (2 | (slot & 1)) << bits;
  const rest = distance - base;
  if (slot < FIRST_FAR_SLOT) {
    codeReverseTree(specialModels + (<usize>(base - slot) << 1), bits, rest);
    return;
  }
  codeDirect(rest >> ALIGN_BITS, bits - ALIGN_BITS);
  codeReverseTree(alignModels, ALIGN_BITS, rest & 15);
}

@inline
export function priceOfDistance(distance: u32, length: u32): u32 {
  const state = lengthState(length);
  if (distance < NEAR) return load<u32>(nearPrices + (<usize>((state << 7) + distance) << 2));
  return (
    load<u32>(slotPrices + (<usize>((state << 6) + slotOf(distance)) << 2)) +
    load<u32>(alignPrices + (<usize>(distance & 15) << 2))
  );
}

/** Makes the prices anew from the models. */
export function priceDistances(): void {
  for (let state: u32 = 0; state < LENGTH_STATES; state++) {
    const slots = slotPrices + (<usize>state << 8);
    for (let slot: u32 = 0; slot < 64; slot++) {
      let price = priceOfTree(slotModels + (<usize>state << 7), SLOT_BITS, slot);
      if (slot >= FIRST_FAR_SLOT) price += ((slot >> 1) - 1 - ALIGN_BITS) * ONE_BIT;
      store<u32>(slots + (<usize>slot << 2), price);
    }
    for (let distance: u32 = 0; distance < NEAR; distance++) {
      const slot = slotOf(distance);
      let price = load<u32>(slots + (<usize>slot << 2));
      if (slot >= 4) {
        const bits = (slot >> 1) - 1;
        const base = (2 | (slot & 1)) << bits;
        price += priceOfReverseTree(
          specialModels + (<usize>(base - slot) << 1),
          bits,
          distance - base,
        );
      }
      store<u32>(nearPrices + (<usize>((state << 7) + distance) << 2), price);
    }
  }
  for (let rest: u32 = 0; rest < 16; rest++) {
    store<u32>(alignPrices + (<usize>rest << 2), priceOfReverseTree(alignModels, ALIGN_BITS, rest));
  }
}

@inline
function lengthState(length: u32): u32 {
  return min(length - LEAST_LENGTH, LENGTH_STATES - 1);
}

@inline
function slotOf(distance: u32): u32 {
  if (distance < 4) return distance;
  const top = 31 - clz<u32>(distance);
  return (top << 1) | ((distance >> (top - 1)) & 1);
}
