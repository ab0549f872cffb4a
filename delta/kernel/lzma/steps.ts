// The cheapest known way to each of the next places, while the way on is looked for.

const NEVER: u32 = 0x3fffffff;

/** How a place is reached: by one symbol from `from`; or by `first` bytes, a literal and a match at the latest distance. 36 bytes. */
@unmanaged
export class Step {
  price: u32;
  /** Where the symbols begin, as an offset. */
  from: i32;
  /** Of the first symbol; see symbols.ts. */
  way: u32;
  /** 0: it is the only one. 1: the literal is the first. Else the length of the first. */
  first: i32;
  /** Set once the step is taken as a beginning. */
  state: u32;
  rep0: u32;
  rep1: u32;
  rep2: u32;
  rep3: u32;
}

const STEP_BYTES: usize = 36;
/** Steps reach at most 32 KiB (parse.ts) and two matches further. */
const steps: usize = memory.data(33793 * 36, 16);

/** The farthest offset reached. */
export let reached: i32 = 0;

@inline
export function stepAt(offset: i32): Step {
  return changetype<Step>(steps + <usize>offset * STEP_BYTES);
}

export function openSteps(): void {
  reached = 0;
  stepAt(0).price = 0;
}

@inline
export function isReached(offset: i32): bool {
  return stepAt(offset).price < NEVER;
}

/** Notes a way to reach an offset, if it is the cheapest. */
@inline
export function reach(offset: i32, price: u32, from: i32, way: u32, first: i32): void {
  reachUpTo(offset);
  improve(offset, price, from, way, first);
}

/** Ways to offsets up to this one may be noted. */
@inline
export function reachUpTo(offset: i32): void {
  while (reached < offset) stepAt(++reached).price = NEVER;
}

/** As {@link reach}, for an offset that {@link reachUpTo} was called for. */
@inline
export function improve(offset: i32, price: u32, from: i32, way: u32, first: i32): void {
  const step = stepAt(offset);
  if (price >= step.price) return;
  step.price = price;
  step.from = from;
  step.way = way;
  step.first = first;
}
