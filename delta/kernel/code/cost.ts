// What coded decisions cost, by class and by old section: for reports only, it changes no byte.

import { alloc } from '../memory';

export const enum Cost {
  CONTROL = 0,
  /** Which 32 bytes differ from the prediction. */
  CHUNKS = 1,
  /** Which bytes of those differ. */
  FLAGS = 2,
  /** The differences. */
  VALUES = 3,
  LITERALS = 4,
  EH_FRAME = 5,
}

export const COST_CLASSES: u32 = 6;
const SECTIONS: u32 = 256;
/** Costs are in 1/4096 bit. */
const UNIT: u64 = 4096;

let table: usize = 0;
/** u64 each: the classes, then the differences by old section. */
let sums: usize = 0;
let current: usize = 0;
let section: usize = 0;

/** Allocates the counters; a session without it counts nothing. */
export function openCosts(): void {
  table = alloc(4096 * 4);
  sums = alloc(<usize>(COST_CLASSES + SECTIONS) << 3);
  for (let i: u32 = 0; i < 4096; i++) store<u32>(table + (<usize>i << 2), costOf(2 * i + 1));
  countAs(Cost.CONTROL, 0);
}

export function closeCosts(): void {
  table = 0;
}

/** -log2 of odd / 8192 in 1/4096 bit, by repeated squaring. */
function costOf(odd: u32): u32 {
  const shift = clz(odd);
  let mantissa = <u64>odd << <u64>shift;
  let log: u32 = 31 - shift;
  for (let i = 0; i < 12; i++) {
    mantissa = (mantissa * mantissa) >> 31;
    log <<= 1;
    if (mantissa >> 32) {
      mantissa >>= 1;
      log |= 1;
    }
  }
  return (13 << 12) - log;
}

/** What follows is of this class; `index` is the old section's number + 1, 0 for none. */
@inline
export function countAs(kind: Cost, index: u32): void {
  current = sums + (<usize>kind << 3);
  section = sums + (<usize>(COST_CLASSES + min(index, SECTIONS - 1)) << 3);
}

/** A decision whose probability was `p` in 20 bits. */
@inline
export function spend(p: u32): void {
  if (table === 0) return;
  const missing = 1048576 - p;
  const cost: u64 = missing < 65536 ? (<u64>missing * 5909) >> 20 : load<u32>(table + (<usize>(p >>> 8) << 2));
  store<u64>(current, load<u64>(current) + cost);
  store<u64>(section, load<u64>(section) + cost);
}

/** How many counters there are: the classes, then for each old section what its differences have cost. */
export function statCount(): u32 {
  return COST_CLASSES + SECTIONS;
}

/** Bits / 256 of a counter: see {@link statCount}; section counters begin with `no section`. */
export function statBits(index: u32): f64 {
  return index < COST_CLASSES + SECTIONS ? <f64>(load<u64>(sums + (<usize>index << 3)) / (UNIT / 256)) : 0;
}
