// Work done, told to the host so that it can stop a build that is over its budget.

@external('host', 'tick')
declare function hostTick(): void;

/** Units between two calls: about a millisecond, or 32 Ki new bytes of which each needs a decision. */
const UNITS: u32 = 1 << 20;

let spent: u32 = 0;

/** Counts work in units of about a nanosecond; the host may throw in it. */
export function spend(units: u32): void {
  spent += units;
  if (spent < UNITS) return;
  spent = 0;
  hostTick();
}
