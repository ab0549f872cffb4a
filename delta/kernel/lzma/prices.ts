// What coding a bit costs, in 1/64 bit, by the probability of a 0 (11 bits, as LZMA has it).

const PROBABILITY_BITS: u32 = 11;
/** Probabilities are looked up without their lowest bits. */
const STEP_BITS: u32 = 3;
const STEPS: u32 = 1 << (PROBABILITY_BITS - STEP_BITS);
/** Bits of fraction of a price. */
const FRACTION_BITS: u32 = 6;
/** 16 bits, less what squaring leaves. */
const CERTAIN: u32 = (16 << FRACTION_BITS) - 15;
/** The price of a bit whose value is as likely as not, and of one that is coded without a model. */
export const ONE_BIT: u32 = 1 << FRACTION_BITS;

const table: usize = memory.data(1 << 9, 16);

export function openPrices(): void {
  for (let step: u32 = 0; step < STEPS; step++) {
    // Squaring doubles the logarithm: each time it gains a bit of fraction.
    let power: u64 = (2 * step + 1) << (15 - PROBABILITY_BITS + STEP_BITS);
    let bits: u32 = 0;
    for (let i: u32 = 0; i < FRACTION_BITS; i++) {
      power *= power;
      bits <<= 1;
      while (power >= 1 << 16) {
        power >>= 1;
        bits++;
      }
    }
    store<u16>(table + (<usize>step << 1), <u16>(CERTAIN - bits));
  }
}

/** Of a 0. */
@inline
export function priceOf0(model: usize): u32 {
  return load<u16>(table + (<usize>(load<u16>(model) >> STEP_BITS) << 1));
}

/** Of a 1. */
@inline
export function priceOf1(model: usize): u32 {
  return load<u16>(table + (<usize>((2047 - load<u16>(model)) >> STEP_BITS) << 1));
}

@inline
export function priceOfBit(model: usize, bit: u32): u32 {
  const flipped = <u32>load<u16>(model) ^ ((0 - bit) & 2047);
  return load<u16>(table + (<usize>(flipped >> STEP_BITS) << 1));
}

/** Of the low `bits` bits of `value`, the highest first, in a tree of models. */
export function priceOfTree(tree: usize, bits: u32, value: u32): u32 {
  let price: u32 = 0;
  let at = value | (1 << bits);
  do {
    const bit = at & 1;
    at >>= 1;
    price += priceOfBit(tree + (<usize>at << 1), bit);
  } while (at !== 1);
  return price;
}

/** Of the low `bits` bits of `value`, the lowest first. */
export function priceOfReverseTree(tree: usize, bits: u32, value: u32): u32 {
  let price: u32 = 0;
  let at: u32 = 1;
  for (; bits > 0; bits--) {
    const bit = value & 1;
    value >>= 1;
    price += priceOfBit(tree + (<usize>at << 1), bit);
    at = (at << 1) | bit;
  }
  return price;
}
